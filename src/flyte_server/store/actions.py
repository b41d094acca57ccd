"""Actions and their attempts: reading for services, writing for the engine."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flyte_server.domain import errors
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, ActionKey, Attempt
from flyte_server.store import filters, queries, rows
from flyte_server.store.filters import Filter, Sort
from flyte_server.store.rows import Connection, Found

_statements = queries.load("actions")

FIELDS = {
    "name": "a.name",
    "action_name": "a.name",
    "parent": "a.parent",
    "parent_name": "a.parent",
    "parent_action_name": "a.parent",
    "group": "a.group_name",
    "kind": "a.kind",
    "action_type": "a.kind",
    "phase": "a.phase",
    "task_name": "a.task_name",
    "task_version": "a.task_version",
    "short_name": "a.short_name",
    "function_name": "a.short_name",
    "environment": "a.environment",
    "environment_name": "a.environment",
    "cache_status": "a.cache_status",
    "created_at": "a.created_at",
    "start_time": "a.created_at",
    "started_at": "a.started_at",
    "ended_at": "a.ended_at",
    "end_time": "a.ended_at",
    "updated_at": "coalesce(a.ended_at, a.started_at, a.created_at)",
}
"""Fields that a listing of actions may filter and sort by, and their columns."""


@dataclass(frozen=True, slots=True)
class ActionQuery:
    """Which actions of a run, in which order; the oldest first when nothing else is said."""

    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """How many attempts of one run, environment, queue and lane are alive."""

    run_id: int
    environment: str
    queue: str
    lane: str
    waits: bool
    """Whether their actions wait for children."""
    count: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds something, or executes what others wait for."""

    project: str
    domain: str
    run: str
    action: str
    task_name: str


@dataclass(frozen=True, slots=True)
class Living:
    """An attempt that is alive, with all that says what it holds."""

    holder: Holder
    run_id: int
    environment: str
    queue: str
    lane: str
    waits: bool
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """Where actions of a lane wait one behind the other: its roots, or the children of one run."""

    number: int
    """0 for the roots, else that of the run."""
    due_at: int
    """Of its first."""
    seq: int


def load(connection: Connection, run_id: int, name: str) -> Action | None:
    """One action."""
    row = _statements.load(connection, run_id=run_id, name=name)
    return None if row is None else rows.action(row)


def conditions(connection: Connection, run_id: int) -> Found:
    """The conditions of a run, in the order in which they were asked."""
    return rows.actions(_statements.conditions(connection, run_id=run_id))


def listing(connection: Connection, run_id: int, query: ActionQuery | None = None) -> Found:
    """Actions of a run.

    Raises:
        errors.Invalid: for a field or function that a listing does not know.
    """
    query = query or ActionQuery()
    condition = filters.condition(query.filters, FIELDS)
    order = filters.order(query.sorts, FIELDS, default="a.created_at ASC", tie="a.name")
    sql = _statements.listing.sql.format(conditions=condition.sql, order=order)
    page = {"run_id": run_id, "limit": query.limit, "offset": query.offset}
    return rows.actions(connection.execute(sql, condition.parameters | page))


def children_since(connection: Connection, run_id: int, parent: str, seq: int) -> Found:
    """Children of one action that changed after the cursor `seq`, in that order."""
    found = _statements.children_since(connection, run_id=run_id, parent=parent, seq=seq)
    return rows.actions(found)


def ended_children_since(
    connection: Connection, run_id: int, parent: str, seq: int
) -> tuple[Found, int]:
    """Children of one action that ended after the cursor `seq`; and the cursor after all changes of children."""
    reached = _statements.last_change_of_children(connection, run_id=run_id, parent=parent, seq=seq)
    if reached == seq:
        return Found(), seq
    found = _statements.ended_children_since(connection, run_id=run_id, parent=parent, seq=seq)
    return rows.actions(found), reached


def run_since(connection: Connection, run_id: int, seq: int) -> Found:
    """Actions of a run that changed after the cursor `seq`, in the order of their last changes."""
    return rows.actions(_statements.run_since(connection, run_id=run_id, seq=seq))


def phase_counts(
    connection: Connection, run_id: int, parent: str | None = None
) -> dict[Phase, int]:
    """How many actions of a run, or children of one action, are in which phase."""
    if parent is None:
        found = _statements.run_phase_counts(connection, run_id=run_id)
    else:
        found = _statements.child_phase_counts(connection, run_id=run_id, parent=parent)
    return {known: count for phase, count in found if (known := rows.phase(phase)) is not None}


def attempts(connection: Connection, run_id: int, name: str) -> list[Attempt]:
    """Attempts of one action, the first one first; none for a trace or a cache hit."""
    return [rows.attempt(row) for row in _statements.attempts(connection, run_id=run_id, name=name)]


def insert(connection: Connection, records: Sequence[Action]) -> None:
    """Write new actions, parents before children.  Only the engine calls this."""
    if records:
        _statements.insert(connection, [rows.action_params(record) for record in records])


def update(connection: Connection, changes: Sequence[tuple[Action, int]]) -> None:
    """Save changed actions, each with the version it was made from.  Only the engine calls this.

    Raises:
        errors.StaleWrite: when a row has another version by now; the transaction must be rolled
        back.
    """
    if not changes:
        return
    saved = _statements.update(
        connection, [rows.action_changes(record, expected) for record, expected in changes]
    )
    if saved != len(changes):
        names = ", ".join(record.name for record, _ in changes[:5])
        raise errors.StaleWrite(
            f"{len(changes) - saved} of {len(changes)} actions ({names}, …) changed under the"
            " engine; another process writes to this database: stop it"
        )


def save_attempts(connection: Connection, records: Sequence[Attempt]) -> None:
    """Write attempts: those that were just claimed are new; of others what is None or empty stays.

    Only the engine calls this.

    Raises:
        errors.StaleWrite: when one is not there, or has another token; the transaction must be rolled back.
    """
    new = [record for record in records if record.phase is Phase.INITIALIZING]
    known = [record for record in records if record.phase is not Phase.INITIALIZING]
    if new:
        _statements.insert_attempts(connection, [rows.attempt_params(each) for each in new])
    if not known:
        return
    saved = _statements.update_attempts(connection, [rows.attempt_params(each) for each in known])
    if saved != len(known):
        names = ", ".join(f"{each.action}/{each.number}" for each in known[:5])
        raise errors.StaleWrite(
            f"{len(known) - saved} of {len(known)} attempts ({names}, …) are gone or have other tokens"
        )


def occupancy(connection: Connection) -> list[Holding]:
    """Who holds what: living attempts, counted."""
    return [Holding(*row) for row in _statements.occupancy(connection)]


def living(connection: Connection) -> list[Living]:
    """Who holds what: living attempts one by one, the oldest first."""
    return [
        Living(Holder(*row[:5]), *row[5:9], waits=bool(row[9]), devices=_devices(row[10]))
        for row in _statements.holders(connection)
    ]


def given_devices(connection: Connection) -> list[str]:
    """Ids of the accelerators that living attempts have."""
    found = _statements.given_devices(connection)
    return [device for (devices,) in found for device in _devices(devices)]


def _devices(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()


def anybody_waits_for_turn(connection: Connection) -> bool:
    """Whether any action waits for an equal one."""
    return bool(_statements.anybody_waits_for_turn(connection))


def lanes(connection: Connection) -> list[str]:
    """The lanes in which actions are queued."""
    return [lane for (lane,) in _statements.lanes(connection)]


def lines(connection: Connection, lane: str) -> list[Line]:
    """The lines of a lane, each with its first."""
    return [Line(*row) for row in _statements.lines(connection, lane=lane)]


def ahead(connection: Connection, action: Action) -> int:
    """How many actions of its line start before one that is queued."""
    return _statements.ahead(
        connection,
        lane=action.lane,
        line=0 if action.parent is None else action.run_id,
        due_at=action.due_at,
        seq=action.seq,
    )


def free_to_turn(connection: Connection, limit: int) -> Found:
    """Actions that wait for an equal one although none executes; equal ones together, the oldest first."""
    return rows.actions(_statements.free_to_turn(connection, limit=limit))


def executes(connection: Connection, serial_key: str) -> Action | None:
    """The action for which the others of a serial key wait."""
    row = _statements.executes(connection, serial_key=serial_key)
    return None if row is None else rows.action(row)


def waits_for(connection: Connection, serial_key: str, key: ActionKey) -> bool:
    """Whether what executes a serial key cannot end before an action ends: that one must not wait for it."""
    found = _statements.waits_for(
        connection, serial_key=serial_key, run_id=key.run_id, name=key.name
    )
    return found is not None


def due(
    connection: Connection, lane: str, line: int, *, now_us: int, limit: int, offset: int = 0
) -> Found:
    """The queued actions of a line that start next, in order."""
    found = _statements.due(
        connection, lane=lane, line=line, now=now_us, limit=limit, offset=offset
    )
    return rows.actions(found)


def next_due_at(connection: Connection, lane: str, line: int, now_us: int) -> int | None:
    """When the next queued action of a line that is not due yet becomes so."""
    return _statements.next_due_at(connection, lane=lane, line=line, now=now_us)


def has_open_children(connection: Connection, key: ActionKey) -> bool:
    """Whether an action has children that have not ended."""
    return _statements.has_open_children(connection, run_id=key.run_id, name=key.name) is not None


def open_tree(connection: Connection, key: ActionKey) -> Found:
    """An action and its descendants, as far as they have not ended and nobody aborts them."""
    found = _statements.open_tree(connection, run_id=key.run_id, name=key.name)
    return rows.actions(found)


def live(connection: Connection) -> Found:
    """Actions with an attempt that has, or should have, a process."""
    return rows.actions(_statements.live(connection))


def forsaken_parents(connection: Connection) -> list[ActionKey]:
    """Actions that have ended although children of theirs have not, and nobody aborts those yet."""
    return [ActionKey(*row) for row in _statements.forsaken_parents(connection)]


def over_limit(connection: Connection, now_us: int) -> Found:
    """Actions whose next time limit is hit."""
    return rows.actions(_statements.over_limit(connection, now=now_us))


def limited(connection: Connection) -> Found:
    """Actions that have a time limit now."""
    return rows.actions(_statements.limited(connection))


def next_limit_at(connection: Connection) -> int | None:
    """When the next time limit is hit."""
    return _statements.next_limit_at(connection)
