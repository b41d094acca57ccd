"""Projects."""

from dataclasses import dataclass

from flyte_server.domain.records import Project
from flyte_server.store import filters, queries, rows
from flyte_server.store.filters import Filter, Sort
from flyte_server.store.rows import Connection

_statements = queries.load("projects")

FIELDS = {
    "id": "p.id",
    "identifier": "p.id",
    "name": "p.name",
    "description": "p.description",
    "state": "p.state",
    "created_at": "p.created_at",
    "labels.*": "json_extract(p.labels, {path})",
}
"""Fields that a listing of projects may filter and sort by, and their columns."""


@dataclass(frozen=True, slots=True)
class ProjectQuery:
    """Which projects, in which order; by id when nothing else is said."""

    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int = 100
    offset: int = 0


def save(connection: Connection, record: Project) -> None:
    """Store a project, new or changed."""
    _statements.save(connection, **rows.project_params(record))


def load(connection: Connection, id_: str) -> Project | None:
    """One project."""
    row = _statements.load(connection, id=id_)
    return None if row is None else rows.project(row)


def listing(connection: Connection, query: ProjectQuery) -> list[Project]:
    """Projects.

    Raises:
        errors.Invalid: for a field or function that a listing does not know.
    """
    condition = filters.condition(query.filters, FIELDS)
    order = filters.order(query.sorts, FIELDS, default="p.id ASC", tie="p.id")
    sql = _statements.listing.sql.format(conditions=condition.sql, order=order)
    parameters = condition.parameters | {"limit": query.limit, "offset": query.offset}
    return [rows.project(row) for row in connection.execute(sql, parameters)]
