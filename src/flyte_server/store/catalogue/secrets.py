"""Secrets, sealed: what is in them can be read here by nobody."""

from typing import Any

from flyte_server.domain.secrets import SealedSecret, SecretKind, SecretName
from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("secrets")


def create(connection: Connection, secret: SealedSecret) -> bool:
    """Keep a new secret; False when there is one of that name in its scope."""
    if load(connection, secret.name) is not None:
        return False
    _save(connection, secret)
    return True


def update(connection: Connection, secret: SealedSecret) -> bool:
    """Give a secret a new value; False when there is none of that name in its scope."""
    if load(connection, secret.name) is None:
        return False
    _save(connection, secret)
    return True


def load(connection: Connection, name: SecretName) -> SealedSecret | None:
    """The secret of exactly this scope."""
    return _secret(_statements.load(connection, **_columns(name)))


def nearest(connection: Connection, name: SecretName) -> SealedSecret | None:
    """The secret that holds for a project and domain: the one of the narrowest scope."""
    return _secret(_statements.nearest(connection, **_columns(name)))


def delete(connection: Connection, name: SecretName) -> bool:
    """Forget a secret; False when there is none."""
    return bool(_statements.delete(connection, **_columns(name)))


def listing(
    connection: Connection, project: str, domain: str, limit: int, offset: int
) -> list[SealedSecret]:
    """Secrets that hold for a project and domain (empty: for any), by name."""
    page = {"project": project, "domain": domain, "limit": limit, "offset": offset}
    found = (_secret(row) for row in _statements.listing(connection, **page))
    return [secret for secret in found if secret is not None]


def sealed_otherwise(
    connection: Connection, key_id: bytes, after: SecretName, limit: int
) -> list[SealedSecret]:
    """Secrets that another key has sealed, in the order of their scopes and names, those after a name."""
    page = {"key_id": key_id, "limit": limit}
    found = _statements.sealed_otherwise(connection, **_columns(after), **page)
    return [secret for row in found if (secret := _secret(row)) is not None]


def reseal(connection: Connection, name: SecretName, before: bytes, sealed: bytes) -> bool:
    """Keep the same value under another key; False when it was changed meanwhile."""
    return bool(_statements.reseal(connection, **_columns(name), before=before, sealed=sealed))


def count_by_key(connection: Connection) -> dict[bytes, int]:
    """How many secrets each key has sealed, by the key's id."""
    return {bytes(key_id): count for key_id, count in _statements.count_by_key(connection)}


def _save(connection: Connection, secret: SealedSecret) -> None:
    _statements.save(
        connection,
        **_columns(secret.name),
        kind=secret.kind.value,
        sealed=secret.sealed,
        created_at=secret.created_at,
        updated_at=secret.updated_at,
    )


def _columns(name: SecretName) -> dict[str, str]:
    return {"project": name.project, "domain": name.domain, "name": name.name}


def _secret(row: Any) -> SealedSecret | None:
    if row is None:
        return None
    name, project, domain, kind, sealed, created_at, updated_at = row
    return SealedSecret(
        SecretName(name, project, domain), SecretKind(kind), bytes(sealed), created_at, updated_at
    )
