"""Deployed tasks."""

from dataclasses import asdict, dataclass, replace

from flyte_server.domain.records import TaskVersion
from flyte_server.store import filters, queries, rows
from flyte_server.store.catalogue import specs
from flyte_server.store.filters import Filter, Sort
from flyte_server.store.rows import Connection

_statements = queries.load("tasks")

FIELDS = {
    "project": "t.project",
    "domain": "t.domain",
    "name": "t.name",
    "task_name": "t.name",
    "version": "t.version",
    "task_version": "t.version",
    "short_name": "t.short_name",
    "function_name": "t.short_name",
    "environment": "t.environment",
    "environment_name": "t.environment",
    "deployed_at": "t.deployed_at",
    "created_at": "t.deployed_at",
    "deployed_by": "t.deployed_by",
    "is_entrypoint": "t.is_entrypoint",
}
"""Fields that a listing of tasks may filter and sort by, and their columns."""


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Which tasks, in which order; the last deployed first when nothing else is said."""

    project: str | None = None
    """None: all projects."""
    domain: str | None = None
    name: str | None = None
    latest_only: bool = False
    """Of each task only the version that was deployed last."""
    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int = 100
    offset: int = 0


def save(connection: Connection, record: TaskVersion, spec: bytes) -> bool:
    """Store a version of a task with its specification (the record's digest is filled in here).

    Returns:
        False when this version exists already; then nothing changes.
    """
    digest = specs.save(connection, spec)
    return _statements.save(connection, **asdict(replace(record, spec_digest=digest))) == 1


def load(
    connection: Connection, project: str, domain: str, name: str, version: str
) -> TaskVersion | None:
    """One version of a task."""
    row = _statements.load(connection, project=project, domain=domain, name=name, version=version)
    return None if row is None else rows.task_version(row)


def listing(connection: Connection, query: TaskQuery) -> list[TaskVersion]:
    """Versions of tasks.

    Raises:
        errors.Invalid: for a field or function that a listing does not know.
    """
    scope = filters.equal(project=query.project, domain=query.domain, name=query.name)
    condition = filters.condition((*scope, *query.filters), FIELDS)
    order = filters.order(
        query.sorts, FIELDS, default="t.deployed_at DESC", tie="t.name, t.version"
    )
    statement = _statements.latest if query.latest_only else _statements.listing
    sql = statement.sql.format(conditions=condition.sql, order=order)
    parameters = condition.parameters | {"limit": query.limit, "offset": query.offset}
    return [rows.task_version(row) for row in connection.execute(sql, parameters)]
