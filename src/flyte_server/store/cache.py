"""Outputs that may be taken instead of executing a task again.  Only the engine writes here."""

from dataclasses import dataclass

from flyte_server.domain.records import CacheEntry, Run
from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("cache")


@dataclass(frozen=True, slots=True)
class Found:
    """An entry, as a run sees it."""

    source: str
    """Who made it: `run/action/attempt`, with `project/domain/` before it if those are not the run's."""
    output_uri: str
    created_at: int


def load(
    connection: Connection, run: Run, key: str, *, everywhere: bool = False, not_before: int = 0
) -> Found | None:
    """The entry that a run may use; one that is older than `not_before` only if there is no other.

    Args:
        everywhere: look into all projects and domains.
        not_before: which entries are young enough; microseconds since the epoch.
    """
    if everywhere:
        row = _statements.load_anywhere(
            connection, project=run.project, domain=run.domain, key=key, not_before=not_before
        )
    else:
        row = _statements.load(connection, project=run.project, domain=run.domain, key=key)
    return None if row is None else _found(run, row)


def of_task(
    connection: Connection, run: Run, task_name: str, *, until: int, limit: int
) -> list[Found]:
    """The last entries of a task that the run's project and domain had at a moment, the youngest first."""
    found = _statements.of_task(
        connection,
        project=run.project,
        domain=run.domain,
        task_name=task_name,
        until=until,
        limit=limit,
    )
    return [_found(run, row) for row in found]


def save(connection: Connection, run: Run, entry: CacheEntry) -> None:
    """Store an entry; one that exists stays, unless the new one replaces it."""
    statement = _statements.replace if entry.replaces else _statements.add
    statement(
        connection,
        project=run.project,
        domain=run.domain,
        key=entry.key,
        source=f"{run.name}/{entry.action}/{entry.attempt}",
        output_uri=entry.output_uri,
        created_at=entry.created_at,
        task_name=entry.task_name,
    )


def _found(run: Run, row: tuple[str, str, str, str, int]) -> Found:
    project, domain, source, output_uri, created_at = row
    if (project, domain) != (run.project, run.domain):
        source = f"{project}/{domain}/{source}"
    return Found(source, output_uri, created_at)
