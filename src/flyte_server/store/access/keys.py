"""Rows of API keys."""

from dataclasses import dataclass

from flyte_server.store import queries
from flyte_server.store.rows import Connection, Row

_statements = queries.load("keys")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One API key, as it is stored."""

    client_id: str
    name: str
    secret_hash: bytes
    role: str
    project: str
    """Empty: all projects."""
    created_at: int
    created_by: str
    expires_at: int | None = None
    """Microseconds since the epoch; None: never."""
    revoked_at: int | None = None


def insert(connection: Connection, row: KeyRow) -> bool:
    """Keep a new key; False when another one has its name."""
    if named(connection, row.name) is not None:
        return False
    _statements.insert(
        connection,
        client_id=row.client_id,
        name=row.name,
        secret_hash=row.secret_hash,
        role=row.role,
        project=row.project,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
    )
    return True


def load(connection: Connection, client_id: str) -> KeyRow | None:
    """A key by its client id, be it revoked."""
    return _key(_statements.load(connection, client_id=client_id))


def named(connection: Connection, name: str) -> KeyRow | None:
    """The key of a name that was not revoked."""
    return _key(_statements.named(connection, name=name))


def listing(connection: Connection, *, after: str = "", limit: int) -> list[KeyRow]:
    """Keys that were not revoked, by name.

    Args:
        after: the last name of the page before.
    """
    return [KeyRow(*row) for row in _statements.listing(connection, after=after, limit=limit)]


def revoke(connection: Connection, name: str, *, by: str, now: int) -> bool:
    """End a key; False when there is none of this name."""
    return bool(_statements.revoke(connection, name=name, revoked_by=by, revoked_at=now))


def usable(connection: Connection, now: int) -> int:
    """How many keys there are with which somebody can come in."""
    return _statements.usable(connection, now=now)


def _key(row: Row | None) -> KeyRow | None:
    return None if row is None else KeyRow(*row)
