"""LimitsService: how many actions may be alive at once, what the machine has, and who has it."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from flyte_server.domain import capacity
from flyte_server.domain.admission.lanes import Gate
from flyte_server.domain.capacity import Capacity, Standing
from flyte_server.engine.admission import claiming, waiting
from flyte_server.engine.engine import Engine
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.own.state import shown_holder
from flyte_server.store import actions, limits
from flyte_server.store.actions import Holder
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_MOST_HOLDERS = 100


class LimitsService:
    """Sets and shows limits."""

    name = "LimitsService"

    def __init__(self, engine: Engine, database: Database) -> None:
        self._engine = engine
        self._database = database

    def methods(self) -> Mapping[str, Method]:
        return {
            "List": self.list,
            "Machine": self.machine,
            "Set": self.set,
            "Delete": self.delete,
        }

    async def list(self, request: Request) -> Payload:
        """`{} -> {limits: [{kind, name, most, alive, holders}]}`: the machine's slots first.

        `alive` counts attempts, but not those of parents that wait for children; `holders` names a hundred of them at
        most, as `{project, domain, run, action, task}`.
        """
        standing = self._engine.processes.all
        return {"limits": await self._database.read(_shown, self._engine.capacity, standing)}

    async def machine(self, request: Request) -> Payload:
        """`{} -> {amounts: [{name: cpu|memory|disk, most, reserved, said: {most, reserved, free}, holders}],
        devices: [{id, kind, memory, holder?}]}`: what the machine has, and who has reserved what.

        CPUs are in thousandths, memory and disk in bytes, and `said` has them for people.  What was not found and not
        set is not counted, and left out.
        """
        standing = self._engine.processes.all
        return await self._database.read(_machine, self._engine.capacity, standing)

    async def set(self, request: Request) -> Payload:
        """`{kind: environment|queue, name, most} -> {}`.  What runs already goes on.

        Raises:
            Invalid: another kind, or a limit below 1.
        """
        await self._engine.set_limit(_gate(request), request.number("most"))
        return {}

    async def delete(self, request: Request) -> Payload:
        """`{kind, name} -> {}`.

        Raises:
            NotFound: it has no limit.
        """
        await self._engine.delete_limit(_gate(request))
        return {}


def _gate(request: Request) -> Gate:
    return Gate(request.text("kind"), request.text("name"))


def _shown(
    connection: Connection, machine: Capacity, standing: Collection[Standing]
) -> list[dict[str, Any]]:
    known = limits.listing(connection)
    found = claiming.occupied(connection, machine, known, standing)
    living = actions.living(connection)
    slots = {
        "kind": waiting.MACHINE,
        "name": capacity.SLOTS,
        "most": machine.slots,
        "alive": found.places.taken(capacity.SLOTS),
        "holders": _named(waiting.holders(living, waiting.computes, _MOST_HOLDERS)),
    }
    shown = [
        {
            "kind": gate.kind,
            "name": gate.name,
            "most": most,
            "alive": found.places.busy(gate),
            "holders": _named(waiting.holders(living, waiting.under(gate), _MOST_HOLDERS)),
        }
        for gate, most in known.items()
    ]
    return [slots, *shown]


def _machine(
    connection: Connection, machine: Capacity, standing: Collection[Standing]
) -> dict[str, Any]:
    places = claiming.occupied(connection, machine, {}, standing).places
    living = actions.living(connection)
    amounts: list[dict[str, Any]] = []
    for kind in capacity.AMOUNTS:
        most = machine.amount(kind)
        if most is None:
            continue
        holders = waiting.holders(living, partial(waiting.reserves, kind=kind), _MOST_HOLDERS)
        holders += [waiting.replica(each) for each in standing if capacity.amount(each.needs, kind)]
        taken = places.taken(kind)
        amounts.append({
            "name": kind,
            "most": most,
            "reserved": taken,
            "said": {
                "most": capacity.said(kind, most),
                "reserved": capacity.said(kind, taken),
                "free": capacity.said(kind, max(0, most - taken)),
            },
            "holders": _named(holders),
        })  # fmt: skip
    whose = {device: each.holder for each in living for device in each.devices}
    whose |= {device: waiting.replica(each) for each in standing for device in each.devices}
    devices = [
        {
            "id": device.id,
            "kind": device.kind,
            "memory": device.memory,
            "holder": shown_holder(whose[device.id]) if device.id in whose else None,
        }
        for device in machine.devices
    ]
    return {"amounts": amounts, "devices": devices}


def _named(holders: Iterable[Holder]) -> list[dict[str, str]]:
    return [shown_holder(each) for each in holders]
