"""Triggers: reading and deploying them, and the steps from tick to tick."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flyte_server.domain import errors
from flyte_server.domain.schedules.records import (
    CatchUp,
    Cron,
    FixedRate,
    Revision,
    Schedule,
    Tick,
    Trigger,
    TriggerName,
)
from flyte_server.store import filters, queries
from flyte_server.store.filters import Filter, Sort
from flyte_server.store.rows import Connection, Row

_statements = queries.load("triggers")
_ACTIVE, _SCHEDULE, _CATCH_UP, _REVISION_ACTIVE = 6, 10, 11, 7
_LONGEST_ERROR = 2000

FIELDS = {
    "project": "t.project",
    "domain": "t.domain",
    "name": "t.name",
    "trigger_name": "t.name",
    "task_name": "t.task_name",
    "task_version": "t.task_version",
    "active": "CASE t.active WHEN 1 THEN 'true' ELSE 'false' END",
    "created_at": "t.deployed_at",
    "deployed_at": "t.deployed_at",
    "updated_at": "t.updated_at",
    "triggered_at": "t.triggered_at",
}
"""Fields that a listing of triggers may filter and sort by, and their columns."""


@dataclass(frozen=True, slots=True)
class TriggerQuery:
    """Which triggers, in which order; by task and name when nothing else is said."""

    project: str | None = None
    """None: all projects."""
    domain: str | None = None
    task_name: str | None = None
    task_version: str | None = None
    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int = 100
    offset: int = 0


def load(connection: Connection, name: TriggerName) -> Trigger | None:
    """One trigger, also one that was deleted.

    Raises:
        errors.Unreadable: when something in its row is no value of its kind.
    """
    row = _statements.load(connection, **_named(name))
    return None if row is None else _trigger(row)


def save(connection: Connection, record: Trigger, action: int, *, expected: int | None) -> bool:
    """Store a new revision.

    Args:
        record: the trigger as it shall be.
        action: what was done, as the wire numbers it.
        expected: the revision that this was made from; None: there is none.

    Returns:
        False when somebody was faster; then nothing changes.
    """
    params = _params(record)
    if expected is None:
        written = _statements.insert(connection, **params)
    else:
        written = _statements.update(connection, **params, expected=expected)
    if written != 1:
        return False
    _statements.note_revision(connection, **params, action=action)
    return True


def listing(connection: Connection, query: TriggerQuery) -> list[Trigger]:
    """Triggers that nobody deleted.

    Raises:
        errors.Invalid: for a field or function that a listing does not know.
    """
    scope = filters.equal(
        project=query.project,
        domain=query.domain,
        task_name=query.task_name,
        task_version=query.task_version,
    )
    condition = filters.condition((*scope, *query.filters), FIELDS)
    order = filters.order(
        query.sorts,
        FIELDS,
        default="t.task_name, t.name",
        tie="t.project, t.domain, t.task_name, t.name",
    )
    sql = _statements.listing.sql.format(conditions=condition.sql, order=order)
    parameters = condition.parameters | {"limit": query.limit, "offset": query.offset}
    return [_trigger(row) for row in connection.execute(sql, parameters)]


def revision(connection: Connection, name: TriggerName, number: int) -> Revision | None:
    """One revision of a trigger."""
    row = _statements.revision(connection, **_named(name), revision=number)
    return None if row is None else _revision(row)


def history(
    connection: Connection, name: TriggerName, *, limit: int, offset: int
) -> list[Revision]:
    """The revisions of a trigger, the newest first."""
    rows = _statements.history(connection, **_named(name), limit=limit, offset=offset)
    return [_revision(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read."""

    key: TriggerName
    error: str


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be looked at; a row that cannot be read keeps nobody from the others."""

    triggers: list[Trigger]
    broken: list[Unreadable]


def due(connection: Connection, now: int, limit: int) -> Due:
    """Triggers that are to be looked at now, the longest due first."""
    found = Due([], [])
    for row in _statements.due(connection, now=now, limit=limit):
        try:
            found.triggers.append(_trigger(row))
        except errors.Unreadable as error:
            found.broken.append(Unreadable(TriggerName(*row[:4]), str(error)))
    return found


def put_off(connection: Connection, row: Unreadable, retry_at: int) -> None:
    """Look at a row that cannot be read later again, and write down why."""
    _statements.put_off(
        connection, **_named(row.key), error=row.error[:_LONGEST_ERROR], due_at=retry_at
    )


def next_due_at(connection: Connection) -> int | None:
    """When the next trigger is to be looked at; None: none waits for a moment."""
    return _statements.next_due_at(connection)


def expects(connection: Connection, tick: Tick) -> bool:
    """Whether the trigger still waits for the tick that was decided about."""
    found = _statements.expects(
        connection, **_named(tick.trigger), revision=tick.revision, expected=tick.expected
    )
    return found is not None


def advance(connection: Connection, tick: Tick) -> bool:
    """Wait for the following tick; False when somebody was faster."""
    written = _statements.advance(
        connection,
        **_named(tick.trigger),
        revision=tick.revision,
        expected=tick.expected,
        moment=tick.moment,
        following=tick.following,
        run=tick.run,
    )
    return written == 1


def note_failure(connection: Connection, trigger: Trigger, error: str, retry_at: int) -> bool:
    """Write down why a tick's run could not be started; False when somebody was faster."""
    written = _statements.note_failure(
        connection,
        **_named(trigger.key),
        revision=trigger.revision,
        expected=trigger.next_tick,
        error=error[:_LONGEST_ERROR],
        due_at=retry_at,
    )
    return written == 1


def input_uris(connection: Connection) -> list[str]:
    """Inputs that triggers need: retention leaves them and what they refer to."""
    return [row[0] for row in _statements.input_uris(connection)]


def _named(name: TriggerName) -> dict[str, str]:
    return {
        "project": name.project,
        "domain": name.domain,
        "task_name": name.task,
        "name": name.name,
    }


def _params(record: Trigger) -> Mapping[str, Any]:
    return asdict(record) | {
        "active": int(record.active),
        "schedule": _schedule_text(record.schedule),
        "catch_up": record.catch_up.value,
    }


def _trigger(row: Row) -> Trigger:
    values = list(row)
    try:
        values[_ACTIVE] = bool(row[_ACTIVE])
        values[_SCHEDULE] = _schedule(row[_SCHEDULE])
        values[_CATCH_UP] = CatchUp(row[_CATCH_UP])
    except (ValueError, TypeError, KeyError) as error:
        raise errors.Unreadable(
            f"the row of trigger {row[3]!r} of task {row[2]!r} cannot be read: {error}; deploy the trigger again"
        ) from error
    return Trigger(*values)


def _revision(row: Row) -> Revision:
    values = list(row)
    values[_REVISION_ACTIVE] = bool(row[_REVISION_ACTIVE])
    return Revision(*values)


def _schedule_text(schedule: Schedule | None) -> str | None:
    return None if schedule is None else json.dumps(asdict(schedule))


def _schedule(text: str | None) -> Schedule | None:
    if text is None:
        return None
    fields = json.loads(text)
    return Cron(**fields) if "expression" in fields else FixedRate(**fields)
