"""Whether the outputs behind a cache entry are still there, whole, with everything they refer to."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgpack
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2
from google.protobuf.message import DecodeError

from flyte_server import blobs
from flyte_server.domain.errors import Conflict
from flyte_server.services.wire import identities
from flyte_server.services.wire.commands import OUTPUTS_FILE

Literal = literals_pb2.Literal


class FileOutputs:
    """Implements `engine.ports.Outputs` on attempt directories that are local files.

    Args:
        data: the directory below which tasks put what their outputs refer to; addresses inside of records are looked
            at only there.
    """

    def __init__(self, data: Path) -> None:
        self._data = str(data)

    def problem(self, output_uri: str, count: int | None) -> str | None:
        path = _local(f"{output_uri}/{OUTPUTS_FILE}")
        if path is None:
            return None  # another kind of storage: reading it here would take too long
        try:
            outputs = common_pb2.Outputs.FromString(path.read_bytes())
        except FileNotFoundError:
            return None if count == 0 else f"{path} is gone"
        except (OSError, DecodeError) as error:
            return f"{path} cannot be read ({error})"
        if count is not None and len(outputs.literals) < count:
            return f"{path} has {len(outputs.literals)} of {count} outputs"
        return self._missing(outputs)

    def _missing(self, outputs: common_pb2.Outputs) -> str | None:
        for named in outputs.literals:
            for uri in self._addresses(named.value):
                path = _local(uri)
                if path is not None and not _is_there(path):
                    return f"{path}, to which output {named.name} refers, is gone"
        return None

    def _addresses(self, literal: Literal) -> Iterator[str]:
        """Where the values are that a literal refers to."""
        for each in identities.nested(literal):
            yield from _own_addresses(each)
            binary = each.scalar.binary
            if binary.tag == identities.TREE and self._data.encode() in binary.value:
                yield from (text for text in _texts(binary.value) if self._is_ours(text))

    def _is_ours(self, text: str) -> bool:
        return text.removeprefix("file://").startswith(self._data + os.sep)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # what cannot even be looked at cannot be used either
        return False


def _own_addresses(literal: Literal) -> Iterator[str]:
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
                found.extend(_own_addresses(each))

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


def _local(uri: str) -> Path | None:
    try:
        return blobs.local_path(uri)
    except Conflict:
        return None
