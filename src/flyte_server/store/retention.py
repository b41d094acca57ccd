"""What may be removed, and its removal in pieces that are small enough for others to pass between them."""

from collections.abc import Iterator
from dataclasses import dataclass

from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("retention")

LARGEST_RUN = "largest_run"
"""The mark with the largest number that a removed run had: numbers are never given twice."""
_SPECS_AT_ONCE = 500
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run, as far as its files and its removal are concerned."""

    id: int
    project: str
    domain: str
    name: str
    ended_at: int | None = None
    bytes: int | None = None
    log_bytes: int | None = None
    cached: bool = False
    """Whether the cache has results of it."""

    @property
    def place(self) -> str:
        """Its directory, below that of data and that of logs."""
        return f"{self.project}/{self.domain}/{self.name}"

    @property
    def occupies(self) -> int:
        """Bytes of all its files; 0 as long as they are not measured."""
        return (self.bytes or 0) + (self.log_bytes or 0)


@dataclass(frozen=True, slots=True)
class Totals:
    """What all runs that were measured occupy."""

    runs: int
    bytes: int
    log_bytes: int
    cached_bytes: int
    """Of `bytes`, those of runs whose results the cache has."""
    database_bytes: int
    """What is in use of the database file."""


def unmeasured(connection: Connection, limit: int) -> list[KeptRun]:
    """Ended runs whose files nobody has measured yet."""
    return _runs(_statements.unmeasured(connection, limit=limit))


def unended(connection: Connection) -> list[KeptRun]:
    """Runs that go on."""
    return _runs(_statements.unended(connection))


def save_measure(connection: Connection, run: KeptRun, bytes_: int, log_bytes: int) -> None:
    """Keep what the files of a run occupy."""
    _statements.measured(connection, id=run.id, bytes=bytes_, log_bytes=log_bytes)


def removable(
    connection: Connection, *, ended_by: int, limit: int, run_id: int | None = None
) -> list[KeptRun]:
    """Runs that ended by a moment and of which no other kept run has results, in the order in which they should go:
    those without cache entries first, then the oldest first.

    Args:
        ended_by: microseconds since the epoch.
        limit: how many at most.
        run_id: look at this one only.
    """
    first, last = (0, _LARGEST_ID) if run_id is None else (run_id, run_id)
    found = _statements.removable(
        connection, ended_by=ended_by, limit=limit, first=first, last=last
    )
    return _runs(found)


def drop_entries(connection: Connection, run: KeptRun, limit: int) -> int:
    """Remove some of the cache entries of a run; gives how many."""
    where = {"project": run.project, "domain": run.domain, "name": run.name}
    return _statements.drop_entries(connection, **where, limit=limit)


def set_aside(connection: Connection, run: KeptRun, *, ended_by: int, newest: int) -> bool:
    """Take a run out of everybody's sight; False if it must stay.

    It stays when another run has taken results of it meanwhile, and when a run has come after `newest`, the last one
    whose inputs the caller has looked at.
    """
    if _statements.newest_run(connection) != newest:
        return False
    if not removable(connection, ended_by=ended_by, limit=1, run_id=run.id):
        return False
    set_mark(connection, LARGEST_RUN, max(run.id, mark(connection, LARGEST_RUN) or 0))
    return _statements.set_aside(connection, id=run.id) == 1


def newest_run(connection: Connection) -> int:
    """The largest number of a run; 0 without runs."""
    return _statements.newest_run(connection)


def aside(connection: Connection) -> list[int]:
    """Numbers of runs that were set aside and still have rows."""
    return [row[0] for row in _statements.aside(connection)]


def drop_actions(connection: Connection, run_id: int, limit: int) -> int:
    """Remove some actions of a run that was set aside; gives how many."""
    return _statements.drop_actions(connection, id=run_id, limit=limit)


def drop_run(connection: Connection, run_id: int) -> None:
    """Remove the last row of a run that was set aside."""
    _statements.drop_run(connection, id=run_id)


def number(connection: Connection, project: str, domain: str, name: str) -> int | None:
    """The number of the run of a name; None if there is none."""
    return _statements.named(connection, project=project, domain=domain, name=name)


def place(connection: Connection, run_id: int) -> str | None:
    """Where the files of a run belong; None for one that was set aside, or is gone."""
    row = _statements.place(connection, id=run_id)
    return None if row is None else "/".join(row)


def inputs(connection: Connection, *, above: int = 0) -> list[tuple[int, str]]:
    """Number and inputs of the kept runs with numbers above one."""
    return [(row[0], row[1]) for row in _statements.inputs(connection, above=above)]


def specs(connection: Connection, above: str) -> list[tuple[str, bytes]]:
    """Some stored specifications, by their digests, which are above one."""
    return list(_statements.specs(connection, above=above, limit=_SPECS_AT_ONCE))


def unused_specs(connection: Connection, limit: int) -> list[str]:
    """Digests of specifications that nothing has any more."""
    return [row[0] for row in _statements.unused_specs(connection, limit=limit)]


def drop_specs(connection: Connection, digests: list[str]) -> int:
    """Remove specifications, unless something has them by now; gives how many."""
    return sum(_statements.drop_spec(connection, digest=digest) for digest in digests)


def totals(connection: Connection) -> Totals:
    """What runs and database occupy."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    runs, data, logs, cached = _statements.totals(connection)
    return Totals(runs, data, logs, cached, database_bytes=(pages - free) * size)


def largest(connection: Connection, limit: int) -> list[KeptRun]:
    """The runs that occupy most."""
    return _runs(_statements.largest(connection, limit=limit))


def projects(connection: Connection) -> list[str]:
    """Ids of all projects."""
    return [row[0] for row in _statements.projects(connection)]


def latest_moment(connection: Connection) -> int:
    """The latest moment at which anything was taken in; 0 for an empty database."""
    return _statements.latest_moment(connection)


def mark(connection: Connection, name: str) -> int | None:
    """A number that was kept under a name."""
    return _statements.mark(connection, name=name)


def set_mark(connection: Connection, name: str, value: int) -> None:
    """Keep a number under a name."""
    _statements.set_mark(connection, name=name, value=value)


def _runs(found: Iterator[tuple[object, ...]]) -> list[KeptRun]:
    return [KeptRun(*row) for row in found]  # pyright: ignore[reportArgumentType]
