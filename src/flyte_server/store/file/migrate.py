"""Brings a database to the schema of this release: `migrations/NNNN_name.sql`, each applied once
and whole."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from flyte_server.domain import errors

_FOLDER = Path(__file__).parent.parent / "migrations"
_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""


def apply(
    connection: sqlite3.Connection,
    folder: Path = _FOLDER,
    *,
    backup: Callable[[int], object] | None = None,
) -> None:
    """Apply the migrations that the database does not have yet, in one transaction.

    A process that dies in the middle leaves the database as it was.

    Args:
        connection: in autocommit mode; the only one that is open.
        folder: where the migrations lie.
        backup: called with the version of an existing database before it is changed.

    Raises:
        errors.SchemaTooNew: when a newer release wrote the database; nothing is changed.
    """
    known = sorted(folder.glob("[0-9]*.sql"))
    connection.execute(_VERSIONS)
    present = current(connection)
    _refuse_newer(present, len(known))
    if present == len(known):
        return
    if backup is not None and present > 0:
        backup(present)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version, path in enumerate(known[present:], start=present + 1):
            for statement in _statements(path.read_text()):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_versions (version, name) VALUES (?, ?)", (version, path.stem)
            )
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def current(connection: sqlite3.Connection) -> int:
    """The schema version of a database that was migrated once."""
    row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchone()
    return row[0]


def _refuse_newer(present: int, known: int) -> None:
    if present > known:
        raise errors.SchemaTooNew(
            f"the database has schema version {present}, this release knows {known}:"
            " install the newer release again, or use another data directory"
        )


def _statements(script: str) -> Iterator[str]:
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
