"""The processes of pools, which reserve a part of the machine as long as they stand.

Who runs them tells of each, again after a restart: rows would outlive processes.  Changed on the writer's thread only,
so that a reservation and a claim never give the same thing twice: the methods are the `Work` of a transaction.
"""

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from flyte_server.domain.capacity import Capacity, Standing
from flyte_server.engine.admission import claiming
from flyte_server.engine.bus import QUEUE
from flyte_server.engine.committer import Answer, same
from flyte_server.engine.unit import Unit


class Processes:
    """All that stand, by name."""

    def __init__(self) -> None:
        self._known: dict[str, Standing] = {}

    @property
    def all(self) -> Collection[Standing]:
        """Those that stand now."""
        return tuple(self._known.values())

    def reserve(
        self, process: Standing, machine: Capacity, unit: Unit
    ) -> Answer[tuple[str, ...] | None]:
        """Its devices; None when there is no room."""
        known = self._known.get(process.name)
        if known is not None:
            return partial(same, known.devices)
        unit.flush()
        places = claiming.occupied(unit.connection, machine, {}, self.all).places
        if places.lacking(process.needs):
            return partial(same, None)
        devices = places.take_devices(process.needs)
        self._known[process.name] = replace(process, devices=devices)
        return partial(same, devices)

    def keep(self, process: Standing, unit: Unit) -> Answer[None]:
        """It stands already."""
        self._known[process.name] = process
        return partial(same, None)

    def release(self, name: str, unit: Unit) -> Answer[None]:
        """It is gone."""
        if self._known.pop(name, None) is not None:
            unit.topics.add(QUEUE)
        return partial(same, None)
