"""Identities for caching: what stands for a value whose bytes change although its content does not."""

from collections.abc import Iterable
from typing import Any

import xxhash


def of(data: bytes) -> str:
    """The identity of some bytes.

    >>> of(b"")
    '99aa06d3014798d86001c324468d497f'
    """
    return xxhash.xxh3_128_hexdigest(data)


def of_literals(named: Iterable[tuple[str, Any]]) -> str:
    """The identity of literals in a list, map or union; '' when none of them has one of its own.

    Args:
        named: each literal with what tells it apart: its key, its index, its type.
    """
    parts = list(named)
    if not any(literal.hash for _, literal in parts):
        return ""
    digest = xxhash.xxh3_128()
    for name, literal in parts:
        identity = literal.hash or of(literal.SerializeToString(deterministic=True))
        digest.update(f"{len(name)} {name} {identity}\0".encode())
    return digest.hexdigest()
