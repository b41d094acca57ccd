"""Where the values are that a literal refers to: files, folders, tables, large values."""

import os
from collections.abc import Iterator

import msgpack
from flyteidl2.core import literals_pb2

from flyte_server.services.wire import identities

Literal = literals_pb2.Literal


def of(literal: Literal, data: str) -> Iterator[str]:
    """The addresses in a literal.

    Args:
        literal: a value.
        data: the data directory; texts inside of records count as addresses only if they lead there.
    """
    for each in identities.nested(literal):
        yield from _own(each)
        binary = each.scalar.binary
        if binary.tag == identities.TREE and data.encode() in binary.value:
            for text in _texts(binary.value):
                if text.removeprefix("file://").startswith(data + os.sep):
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
