"""Copies of the database beside it: before a migration, and once a day.

A copy is made by SQLite itself (so it is whole, whatever is written meanwhile), checked, and only then gets its name.
"""

import os
import shutil
import sqlite3
from pathlib import Path

from flyte_server.domain import errors
from flyte_server.store import faults

_KEPT_BEFORE_MIGRATIONS = 2
_SPARE = 1.2
"""How many times the size of the database must be free, so that a copy does not take the last room."""


def before_migration(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """Copy the database as it is before it is brought from `version` to a later one.

    Raises:
        errors.StoreUnusable: when there is no room for a copy, or it cannot be written; nothing was changed.
    """
    target = path.with_name(f"{path.name}.v{version}.bak")
    # the migration itself may write every page once more
    _refuse_without_room(path, copies=2)
    _copy(connection, target)
    older = sorted(path.parent.glob(f"{path.name}.v*.bak"), key=_written_at, reverse=True)
    for each in older[_KEPT_BEFORE_MIGRATIONS:]:
        each.unlink(missing_ok=True)
    return target


def daily(connection: sqlite3.Connection, path: Path) -> Path:
    """Copy the database over the copy of the day before.

    Raises:
        errors.StoreUnusable: when there is no room for it, or it cannot be written.
    """
    _refuse_without_room(path, copies=1)
    target = daily_path(path)
    _copy(connection, target)
    return target


def daily_path(path: Path) -> Path:
    """Where the copy of the day lies."""
    return path.with_name(f"{path.name}.daily.bak")


def found(path: Path) -> list[Path]:
    """The copies of a database, the youngest first."""
    return sorted(path.parent.glob(f"{path.name}.*.bak"), key=_written_at, reverse=True)


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    draft = target.with_name(f".{target.name}.new")
    try:
        draft.unlink(missing_ok=True)
        copy = sqlite3.connect(draft)
        try:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            copy.close()
        if said != "ok":
            raise sqlite3.DatabaseError(said)
        _to_disk(draft)
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        draft.unlink(missing_ok=True)
        raise errors.StoreUnusable(
            f"the database cannot be copied to {target} ({error}; {faults.room(target)}): nothing"
            " was changed; make room or correct the directory's permissions, then start again"
        ) from error


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_without_room(path: Path, *, copies: int) -> None:
    log = path.with_name(f"{path.name}-wal")
    size = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    needed = int(copies * _SPARE * size)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise errors.StoreUnusable(
            f"a copy of the database {path} ({faults.size(size)}) needs {faults.size(needed)}, and"
            f" {faults.size(free)} are free: make room first; nothing was changed"
        )


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
