"""Outputs that may be taken instead of executing a task again.  Only the engine writes here."""

from flyte_server.domain.records import CacheEntry, Run
from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("cache")


def load(connection: Connection, run: Run, key: str) -> tuple[str, str] | None:
    """Who made an entry (`run/action/attempt`), and its outputs; one project and domain each."""
    return _statements.load(connection, project=run.project, domain=run.domain, key=key)


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
    )
