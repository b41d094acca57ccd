"""Whether a database file is one of ours, and whole: looked at without changing a byte, before it is opened."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from flyte_server.domain import errors
from flyte_server.store.file import backups

_ALWAYS_CHECKED_BYTES = 256 * 1024 * 1024
"""A larger file is read through only if the last control plane did not end cleanly (half a second per gigabyte that
is in memory, longer from a disk)."""


def check(path: Path) -> None:
    """Refuse a file that is damaged or no database of a control plane; a file that is not there is fine.

    Raises:
        errors.StoreUnusable: the message says what is wrong, that nothing was changed, and how to go on.
    """
    if not path.exists():
        return
    if path.stat().st_size == 0:
        raise _refused(path, "it is empty: something has cut it off")
    log_left = _has_log(path)
    # Read-only: neither is the log played back nor anything else written.
    mode = "mode=ro" if log_left else "immutable=1"
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True)
        try:
            thorough = log_left or path.stat().st_size <= _ALWAYS_CHECKED_BYTES
            complaint = _complaint(connection, thorough=thorough)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _refused(path, str(error)) from error
    if complaint is not None:
        raise _refused(path, complaint)


def _complaint(connection: sqlite3.Connection, *, thorough: bool) -> str | None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if tables and "schema_versions" not in tables:
        return "it is a database of another program"
    if not thorough:
        return None
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return None if said == "ok" else said


def _has_log(path: Path) -> bool:
    """Whether the last control plane did not end cleanly: else it would have merged its log and removed it."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _refused(path: Path, reason: str) -> errors.StoreUnusable:
    copies = backups.found(path)
    if copies:
        way = f"put its copy {copies[0]} in its place (and remove {path.name}-wal and -shm)"
    else:
        way = f"save what can be read with 'sqlite3 {path} .recover' (there is no copy of it)"
    return errors.StoreUnusable(
        f"the database {path} cannot be opened ({reason}), and nothing in it was changed: {way}, or"
        " set FLYTE_HOME to another directory; data and logs of the runs lie where they were"
    )
