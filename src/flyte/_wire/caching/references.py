"""What values refer to: files, folders, tables, and large values that were moved into the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte import storage
from flyte._kit import optional
from flyte._wire import identities
from flyte.types._nodes import trees

Literal = literals_pb2.Literal


def paths(outputs: common_pb2.Outputs, *, below: str) -> Iterator[Path]:
    """The files and folders to which outputs refer.

    Args:
        outputs: the values.
        below: see `missing`.
    """
    for named in outputs.literals:
        for uri in _addresses(named.value, below):
            path = storage.local_path(uri)
            if path is not None:
                yield path


def missing(outputs: common_pb2.Outputs, *, below: str) -> str | None:
    """The first file or folder to which outputs refer and that is gone; None if all are there.

    Only paths are looked at: to ask an object store would take longer than many a task.

    Args:
        outputs: the values.
        below: folder of data that this SDK wrote; texts inside of records count as addresses only if they lead there.
    """
    for named in outputs.literals:
        for uri in _addresses(named.value, below):
            path = storage.local_path(uri)
            if path is not None and not _is_there(path):
                return str(path)
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # what cannot even be looked at cannot be used either
        return False


def _addresses(literal: Literal, below: str) -> Iterator[str]:
    for each in identities.nested(literal):
        yield from _own(each)
        binary = each.scalar.binary
        if binary.tag == trees.TAG and below.encode() in binary.value:
            for text in _texts(binary.value):
                if text.removeprefix("file://").startswith(f"{below}/"):
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
            for each in identities.nested(Literal.FromString(content)):
                found.extend(_own(each))

    def pairs(items: list[tuple[Any, Any]]) -> None:
        found.extend(value for _, value in items if isinstance(value, str))

    def items(values: list[Any]) -> None:
        found.extend(value for value in values if isinstance(value, str))

    msgpack = optional.module("msgpack", "values that travel as msgpack")
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
