"""Rows that made trouble and are left alone for a while, each with its error.  Only the engine writes here."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from flyte_server.domain.records import ActionKey
from flyte_server.store import queries, rows
from flyte_server.store.rows import Broken, Connection

_statements = queries.load("aside")


@dataclass(frozen=True, slots=True)
class SetAside:
    """One that is left alone."""

    subject: str
    """What could not be done, e.g. `read 7/a1` or `claim 7/a1`."""
    run_id: int | None
    action: str | None
    error: str
    failures: int
    """How often it failed in a row."""
    since: int
    until: int
    """The next try; microseconds since the epoch."""

    @property
    def key(self) -> ActionKey | None:
        """The action that it is about."""
        if self.run_id is None or self.action is None:
            return None
        return ActionKey(self.run_id, self.action)


def subject(what: str, key: ActionKey) -> str:
    """The name of something that cannot be done with an action: `claim 7/a1`."""
    return f"{what} {key.run_id}/{key.name}"


def listing(connection: Connection) -> list[SetAside]:
    """All, the longest first."""
    return [SetAside(*row) for row in _statements.listing(connection)]


def of(connection: Connection, run_id: int, action: str | None = None) -> list[SetAside]:
    """What is set aside of one action, or of all of a run."""
    if action is None:
        found = _statements.of_run(connection, run_id=run_id)
    else:
        found = _statements.of_action(connection, run_id=run_id, action=action)
    return [SetAside(*row) for row in found]


def load(connection: Connection, subject: str) -> SetAside | None:
    """One entry."""
    row = _statements.load(connection, subject=subject)
    return None if row is None else SetAside(*row)


def save(connection: Connection, entry: SetAside) -> None:
    """Store an entry, new or changed."""
    _statements.save(connection, **asdict(entry))


def delete(connection: Connection, subject: str) -> bool:
    """Forget an entry; False when there is none."""
    return _statements.delete(connection, subject=subject) > 0


def unknown_phases(connection: Connection, limit: int = 100) -> list[Broken]:
    """Actions in phases that do not exist."""
    found = _statements.unknown_phases(connection, limit=limit)
    return [rows.broken(run_id, name, f"{phase!r} is no phase") for run_id, name, phase in found]


@contextmanager
def savepoint(connection: Connection) -> Generator[None]:
    """What the block wrote is undone when it raises; the transaction goes on."""
    connection.execute("SAVEPOINT apart")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO apart")
        connection.execute("RELEASE apart")
        raise
    connection.execute("RELEASE apart")
