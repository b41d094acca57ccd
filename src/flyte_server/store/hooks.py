"""Who is still to be told that a condition waits.  Only the engine writes here."""

from dataclasses import dataclass

from flyte_server.domain.commands import Hook
from flyte_server.domain.records import ActionKey
from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("hooks")


@dataclass(frozen=True, slots=True)
class Untold:
    """A message that is due."""

    key: ActionKey
    hook: Hook
    failures: int
    """How often it could not be told."""


def insert(connection: Connection, key: ActionKey, hook: Hook, now_us: int) -> None:
    """Somebody is to be told of a condition, at once."""
    _statements.insert(
        connection,
        run_id=key.run_id,
        action=key.name,
        url=hook.url,
        payload=hook.payload,
        due_at=now_us,
    )


def due(connection: Connection, now_us: int, limit: int = 20) -> list[Untold]:
    """What is to be told now, the longest waiting first."""
    return [
        Untold(ActionKey(run_id, action), Hook(url, payload), failures)
        for run_id, action, url, payload, failures in _statements.due(
            connection, now=now_us, limit=limit
        )
    ]


def next_due_at(connection: Connection) -> int | None:
    """When something is to be told next; None: nothing is."""
    return _statements.next_due_at(connection)


def put_off(connection: Connection, key: ActionKey, *, failures: int, due_at: int) -> None:
    """It could not be told; it is tried again later."""
    _statements.put_off(
        connection, run_id=key.run_id, action=key.name, failures=failures, due_at=due_at
    )


def delete(connection: Connection, key: ActionKey) -> None:
    """Nobody is to be told any more."""
    _statements.delete(connection, run_id=key.run_id, action=key.name)
