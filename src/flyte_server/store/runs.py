"""Runs: reading for services, writing for the engine."""

from dataclasses import dataclass

from flyte_server.domain import errors
from flyte_server.domain.records import Action, Run
from flyte_server.store import filters, queries, rows
from flyte_server.store.filters import Filter, Sort
from flyte_server.store.rows import Connection

_statements = queries.load("runs")

FIELDS = {
    "project": "r.project",
    "domain": "r.domain",
    "name": "r.name",
    "run_name": "r.name",
    "source": "r.source",
    "created_at": "r.created_at",
    "created_by": "r.created_by",
    "phase": "a.phase",
    "task_name": "a.task_name",
    "task_version": "a.task_version",
    "short_name": "a.short_name",
    "function_name": "a.short_name",
    "environment": "a.environment",
    "environment_name": "a.environment",
    "started_at": "a.started_at",
    "start_time": "a.created_at",
    "ended_at": "a.ended_at",
    "end_time": "a.ended_at",
    "updated_at": "coalesce(a.ended_at, a.started_at, r.created_at)",
    "trigger": "r.trigger",
    "trigger_name": "json_extract(r.trigger, '$.name')",
    "trigger_task": "json_extract(r.trigger, '$.task')",
    "labels.*": "json_extract(r.labels, {path})",
}
"""Fields that a listing of runs may filter and sort by, and their columns (those of `a` are of the
root action)."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs, in which order; the newest first when nothing else is said."""

    project: str | None = None
    """None: all projects."""
    domain: str | None = None
    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int = 100
    offset: int = 0


def load(connection: Connection, project: str, domain: str, name: str) -> Run | None:
    """One run by its name."""
    row = _statements.load(connection, project=project, domain=domain, name=name)
    return None if row is None else rows.run(row)


def by_id(connection: Connection, id_: int) -> Run | None:
    """One run by its id."""
    row = _statements.by_id(connection, id=id_)
    return None if row is None else rows.run(row)


def listing(connection: Connection, query: RunQuery) -> list[tuple[Run, Action]]:
    """Runs with their root actions.

    Raises:
        errors.Invalid: for a field or function that a listing does not know.
    """
    scope = filters.equal(project=query.project, domain=query.domain)
    condition = filters.condition((*scope, *query.filters), FIELDS)
    order = filters.order(query.sorts, FIELDS, default="r.created_at DESC", tie="r.id DESC")
    sql = _statements.listing.sql.format(conditions=condition.sql, order=order)
    parameters = condition.parameters | {"limit": query.limit, "offset": query.offset}
    return rows.runs_and_roots(connection.execute(sql, parameters))


def insert(connection: Connection, record: Run) -> int:
    """Write a new run; gives its id.  Only the engine calls this."""
    return _statements.insert(connection, **rows.run_params(record))


def advance(connection: Connection, id_: int, changes: int) -> int:
    """Count changes in a run; gives the counter afterwards.  Only the engine calls this.

    Raises:
        errors.StaleWrite: when there is no such run any more.
    """
    seq = _statements.advance(connection, id=id_, changes=changes)
    if seq is None:
        raise errors.StaleWrite(f"run number {id_} is gone: its actions cannot be changed")
    return seq
