"""What SQLite complains about while it runs, as refusals that name the file and the next step."""

import shutil
import sqlite3
from pathlib import Path

from flyte_server.domain import errors

_BASE_CODE = 0xFF
"""SQLite's extended codes have the plain one in their last byte."""
_SAYINGS = {
    sqlite3.SQLITE_BUSY: ("locked", "another process holds it"),
    sqlite3.SQLITE_LOCKED: ("locked", "another process holds it"),
    sqlite3.SQLITE_FULL: ("full", "the disk is full; free some space"),
    sqlite3.SQLITE_IOERR: ("io", "its disk reports errors"),
    sqlite3.SQLITE_CANTOPEN: ("unreachable", "its file cannot be opened"),
    sqlite3.SQLITE_READONLY: ("readonly", "its file cannot be written to"),
    sqlite3.SQLITE_PROTOCOL: ("locked", "its locks do not work"),
    sqlite3.SQLITE_NOMEM: ("memory", "the machine has no memory left"),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "its file is damaged; restore a backup"),
    sqlite3.SQLITE_NOTADB: ("corrupt", "its file is damaged; restore a backup"),
}
_THOUSAND = 999.5
"""What is rounded to three digits."""


def refusal(error: sqlite3.Error, path: Path | None) -> Exception:
    """The refusal that an error means; the error itself if it is a bug of ours.

    Args:
        error: what SQLite said.
        path: the database file; None in memory.
    """
    if getattr(error, "sqlite_errorcode", 0) & _BASE_CODE == sqlite3.SQLITE_FULL:
        return disk_full(path or Path(":memory:"))
    return translated(error)


def disk_full(path: Path) -> errors.DiskFull:
    """The refusal when there is no room for something at `path`."""
    return errors.DiskFull(
        f"the disk of {path} is full ({room(path)}): nothing was changed; make room"
        " ('flyte get storage' shows what takes it), then it goes on by itself"
    )


def room(path: Path) -> str:
    """How much of the disk of a file is free, for messages."""
    try:
        usage = shutil.disk_usage(path.parent)
    except OSError as error:
        return f"free space unknown: {error.strerror}"
    return f"{size(usage.free)} of {size(usage.total)} free"


def size(number: int) -> str:
    """Bytes for people: `512 B`, `1.5 kB`, `20 MB`."""
    amount, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _THOUSAND:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}"


def translated(error: Exception) -> Exception:
    """`StoreFailing` for what goes by without us; other errors as they are.

    Example:
        >>> translated(sqlite3.OperationalError("database is locked"))
        StoreFailing('the database cannot be used now (database is locked); ask again in a moment')
    """
    if not isinstance(error, sqlite3.DatabaseError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and type(error) is sqlite3.OperationalError:
        return _failing("locked" if "locked" in str(error) else "other", str(error))
    known = None if code is None else _SAYINGS.get(code & _BASE_CODE)
    if known is None:
        return error
    kind, saying = known
    return _failing(kind, f"{saying}: {error}")


def _failing(kind: str, saying: str) -> errors.StoreFailing:
    made = errors.StoreFailing(f"the database cannot be used now ({saying}); ask again in a moment")
    made.kind = kind
    return made
