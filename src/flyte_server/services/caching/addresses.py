"""Where the values are that a literal refers to: files, folders, tables, large values."""

import os
from collections.abc import Iterator

import msgpack
from flyteidl2.core import literals_pb2

from flyte_server.blobs import Bucket
from flyte_server.services.wire import identities

Literal = literals_pb2.Literal


def bases(data: str, bucket: Bucket | None) -> tuple[str, ...]:
    """How addresses of our files begin.

    Args:
        data: the data directory.
        bucket: the same files as objects.
    """
    return (data + os.sep, bucket.uri("")) if bucket else (data + os.sep,)


def of(literal: Literal, bases: tuple[str, ...]) -> Iterator[str]:
    """The addresses in a literal.

    Args:
        literal: a value.
        bases: how addresses of our files begin; texts inside of records count as addresses only if they do.
    """
    marks = [base.encode() for base in bases]
    for each in identities.nested(literal):
        yield from _own(each)
        binary = each.scalar.binary
        if binary.tag == identities.TREE and any(mark in binary.value for mark in marks):
            for text in _texts(binary.value):
                if text.removeprefix("file://").startswith(bases):
                    yield text


def _own(literal: Literal) -> Iterator[str]:
    scalar = literal.scalar
    for uri in (
        literal.offloaded_metadata.uri,
        scalar.blob.uri,
        scalar.structured_dataset.uri,
        scalar.schema.uri,
    ):
        if uri:
            yield uri


def _texts(data: bytes) -> list[str]:
    """Every text in a tree."""
    found: list[str] = []

    def extension(code: int, content: bytes) -> None:
        if code in identities.NESTED:
            found.extend(_texts(content))
        elif code == identities.LITERAL:
            inner = Literal.FromString(content)
            for each in identities.nested(inner):
                found.extend(_own(each))

    def pairs(items: list[tuple[object, object]]) -> None:
        found.extend(value for _, value in items if isinstance(value, str))

    def items(values: list[object]) -> None:
        found.extend(value for value in values if isinstance(value, str))

    try:
        top = msgpack.unpackb(
            data,
            ext_hook=extension,
            object_pairs_hook=pairs,
            list_hook=items,
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )
    except identities.NO_TREE:
        return found
    return [*found, top] if isinstance(top, str) else found
