"""Rows of the audit log: written before what they tell of begins, settled when it has ended, removed when old."""

from dataclasses import asdict, dataclass

from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("audit")
_BETWEEN_LOOKS = 500
"""Entries between two looks at what is too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who did what, or was refused."""

    at: int
    """Microseconds since the epoch."""
    subject: str
    name: str
    kind: str
    method: str
    project: str
    target: str
    outcome: str
    address: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries somebody wants to see; the newest first."""

    who: str = ""
    project: str = ""
    since: int = 0
    before: int = 0
    """Number of the last entry of the page before; 0: the first page."""
    limit: int = 100


def add(connection: Connection, entry: Entry, *, most: int, keep_us: int) -> int:
    """Write an entry and give its number; now and then forget the oldest.

    Args:
        most: how many entries are kept.
        keep_us: how long they are kept.
    """
    number: int = _statements.insert(connection, **asdict(entry))
    if number % _BETWEEN_LOOKS == 0:
        prune(connection, most=most, oldest=entry.at - keep_us)
    return number


def settle(connection: Connection, number: int, outcome: str) -> None:
    """Say how it has ended."""
    _statements.settle(connection, number=number, outcome=outcome)


def prune(connection: Connection, *, most: int, oldest: int) -> None:
    """Forget what is older than a moment, and the oldest of what is too much."""
    _statements.prune(connection, most=most, oldest=oldest)


def listing(connection: Connection, asked: Asked) -> list[tuple[int, Entry]]:
    """Entries with their numbers."""
    rows = _statements.listing(connection, **asdict(asked))
    return [(number, _entry(*rest)) for number, *rest in rows]


def _entry(  # noqa: PLR0913 - the columns
    at: int,
    subject: str,
    name: str,
    kind: str,
    method: str,
    project: str,
    target: str,
    outcome: str,
    address: str,
) -> Entry:
    return Entry(
        at=at,
        subject=subject,
        name=name,
        kind=kind,
        method=method,
        project=project,
        target=target,
        outcome=outcome,
        address=address,
    )
