"""Why an action does not run yet: read from the same rows as the claim, when somebody asks."""

from dataclasses import dataclass

from flyte_server.domain.capacity import ROOT_PATIENCE_US, Capacity, Gate
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action
from flyte_server.engine import claiming
from flyte_server.store import actions, limits, runs
from flyte_server.store.actions import Holder
from flyte_server.store.rows import Connection

BACKOFF, LIMIT, LINE, EQUAL = "backoff", "limit", "line", "equal"
MACHINE = Gate("machine", "slots")
_MOST_HOLDERS = 20


@dataclass(frozen=True, slots=True)
class Full:
    """A limit that lets nobody in now."""

    gate: Gate
    most: int
    holders: list[Holder]
    """Who holds its places, the oldest first; not all of very many."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What an action waits for."""

    reason: str
    """`backoff`: until a moment; `limit`: for a place; `line`: for its turn; `equal`: for an equal action's result."""
    since: int
    until: int | None = None
    ahead: int | None = None
    """How many wait before it in its line."""
    full: tuple[Full, ...] = ()
    equal: Holder | None = None


def why(connection: Connection, action: Action, capacity: Capacity, now_us: int) -> Wait | None:
    """What a queued action waits for; None for one that is not queued."""
    if action.waits_for_turn:
        return Wait(EQUAL, action.queued_at, equal=_executing(connection, action))
    if action.phase is not Phase.QUEUED:
        return None
    if action.due_at > now_us:
        return Wait(BACKOFF, action.queued_at, until=action.due_at)
    full = _full(connection, action, capacity)
    return Wait(
        LIMIT if full else LINE,
        max(action.queued_at, action.due_at),
        ahead=actions.ahead(connection, action, ROOT_PATIENCE_US),
        full=tuple(full),
    )


def _full(connection: Connection, action: Action, capacity: Capacity) -> list[Full]:
    free = claiming.places(connection, capacity, limits.listing(connection))
    found = [
        Full(gate, most, actions.holders(connection, gate, _MOST_HOLDERS))
        for gate, most, room in free.rooms(action.lane)
        if room <= 0
    ]
    if free.machine_is_full:
        holders = actions.holders(connection, None, _MOST_HOLDERS)
        found.append(Full(MACHINE, capacity.slots, holders))
    return found


def _executing(connection: Connection, action: Action) -> Holder | None:
    found = actions.executes(connection, action.serial_key or "")
    run = None if found is None else runs.by_id(connection, found.run_id)
    if found is None or run is None:
        return None
    return Holder(run.project, run.domain, run.name, found.name, found.task_name)
