"""LimitsService: how many actions of an environment or a queue may be alive at once, and who is."""

from collections.abc import Mapping
from typing import Any

from flyte_server.domain.capacity import Capacity, Gate
from flyte_server.engine import claiming
from flyte_server.engine.engine import Engine
from flyte_server.engine.waiting import MACHINE
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.own.state import shown_holder
from flyte_server.store import actions, limits
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_MOST_HOLDERS = 100


class LimitsService:
    """Sets and shows limits."""

    name = "LimitsService"

    def __init__(self, engine: Engine, database: Database, capacity: Capacity) -> None:
        self._engine = engine
        self._database = database
        self._capacity = capacity

    def methods(self) -> Mapping[str, Method]:
        return {"List": self.list, "Set": self.set, "Delete": self.delete}

    async def list(self, request: Request) -> Payload:
        """`{} -> {limits: [{kind, name, most, alive, holders}]}`: the machine's slots first.

        `alive` counts attempts, but not those of parents that wait for children; `holders` names a hundred of them at
        most, as `{project, domain, run, action, task}`.
        """
        return {"limits": await self._database.read(_shown, self._capacity)}

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


def _shown(connection: Connection, capacity: Capacity) -> list[dict[str, Any]]:
    known = limits.listing(connection)
    free = claiming.places(connection, capacity, known)
    machine = _limit(connection, MACHINE, capacity.slots, free.all_busy)
    return [machine, *(_limit(connection, gate, known[gate], free.busy(gate)) for gate in known)]


def _limit(connection: Connection, gate: Gate, most: int, alive: int) -> dict[str, Any]:
    asked = None if gate == MACHINE else gate
    holders = actions.holders(connection, asked, _MOST_HOLDERS)
    return {
        "kind": gate.kind,
        "name": gate.name,
        "most": most,
        "alive": alive,
        "holders": [shown_holder(each) for each in holders],
    }
