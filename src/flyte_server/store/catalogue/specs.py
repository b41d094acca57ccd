"""Specifications as bytes, stored once each under their digest."""

import hashlib

from flyte_server.domain import errors
from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("specs")


def digest_of(body: bytes) -> str:
    """The key of a specification."""
    return hashlib.blake2b(body, digest_size=20).hexdigest()


def save(connection: Connection, body: bytes) -> str:
    """Store a specification unless it is known; gives its digest."""
    digest = digest_of(body)
    _statements.save(connection, digest=digest, body=body)
    return digest


def load(connection: Connection, digest: str) -> bytes:
    """The bytes of a specification.

    Raises:
        errors.NotFound: for a digest that nobody stored.
    """
    body = _statements.load(connection, digest=digest)
    if body is None:
        raise errors.NotFound(f"no specification with digest {digest} is stored")
    return body
