"""Large values by reference: a literal goes into the store, and a note of its address takes its place.

What is small travels in `inputs.pb` and `outputs.pb` themselves.  A variable above `THRESHOLD` is written once under
the checksum of its content, so whoever passes it on writes nothing; its readers compare the checksum.  Who reads and
writes is the engine's choice (`Carrier`): no I/O happens here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf.message import EncodeError

from flyte import errors
from flyte.storage import digests
from flyte.types import _framing

if TYPE_CHECKING:
    from typing_extensions import Buffer

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType

THRESHOLD = 1024 * 1024
"""Bytes of a serialized literal above which it goes by reference."""
LARGEST = 2**31 - 1
"""Bytes that one message of protobuf can have; readers in other languages could not read a larger literal."""
REFERENCE = 512
"""Bytes that a reference counts for in a task's limit, whatever the length of its address."""
CHECKSUM = "xxh3-128"
"""Key in `Literal.metadata` of a reference: the checksum of the serialized literal, in hexadecimal."""

_LONGEST_TYPE = 256
"""Bytes of a type that a reference repeats; a longer one (with a schema in it) stands in the interface anyway."""


class Carrier(Protocol):
    """Keeps serialized literals under the checksum of their content."""

    async def put(self, pieces: "Sequence[Buffer]", digest: str) -> str:
        """Keep the pieces, one after the other, unless they are there already; their address.

        Raises:
            flyte.errors.StorageError: when they cannot be written.
        """
        ...

    async def get(self, uri: str, size: int) -> memoryview:
        """What is kept at an address (`size`: how much there should be).

        Raises:
            flyte.errors.StorageError: when it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reference:
    """A large value as it is shown where nobody asked for its content."""

    uri: str
    """Where its serialized literal is."""
    size: int
    """Bytes of it."""
    type: str
    """Its Python type, as the reader knows it."""

    def __str__(self) -> str:
        return f"<{self.type}, {self.size / 1e6:,.1f} MB at {self.uri}>"

    __repr__ = __str__


def serialized_size(literal: Literal) -> int:
    """Bytes of the serialized literal; of one that protobuf refuses to serialize, about those of its content."""
    try:
        return literal.ByteSize()
    except EncodeError:
        return max(LARGEST + 1, _content_size(literal))


def _content_size(literal: Literal) -> int:
    parts = [*literal.collection.literals, *literal.map.literals.values()]
    if literal.scalar.HasField("union"):
        parts.append(literal.scalar.union.value)
    if parts:
        return sum(map(_content_size, parts))
    return len(literal.scalar.binary.value) + len(literal.scalar.primitive.string_value.encode())


def chosen(sizes: Mapping[str, int], limit: int | None, what: str) -> frozenset[str]:
    """Which variables go by reference: those above the threshold, and the largest of the others until the rest fits.

    A pure function of sizes, so that every mode of running decides the same.

    Args:
        sizes: bytes of each variable's serialized literal.
        limit: how many bytes may stay (`TaskTemplate.max_inline_io_bytes`); a reference counts for `REFERENCE`.
        what: `inputs` or `outputs`, for the message.

    Raises:
        InlineIOMaxBytesBreached: a value is larger than any message, or the references alone are over the limit.
    """
    for name, size in sizes.items():
        if size > LARGEST:
            raise _too_large(f"{what}.{name}", size)
    moved = {name for name, size in sizes.items() if size > THRESHOLD}
    if limit is None:
        return frozenset(moved)
    inline = sum(REFERENCE if name in moved else sizes[name] for name in sizes)
    for name in sorted(sizes.keys() - moved, key=lambda name: (-sizes[name], name)):
        if inline <= limit or sizes[name] <= REFERENCE:
            break
        moved.add(name)
        inline += REFERENCE - sizes[name]
    if inline > limit:
        raise _over_limit(sizes, inline, limit, what)
    return frozenset(moved)


def _too_large(path: str, size: int) -> errors.InlineIOMaxBytesBreached:
    return errors.InlineIOMaxBytesBreached(
        f"{path} has {size:,} bytes, but one value can have at most {LARGEST:,} (protobuf's limit); pass it as a "
        "flyte.io.File, or in parts"
    )


def _over_limit(
    sizes: Mapping[str, int], inline: int, limit: int, what: str
) -> errors.InlineIOMaxBytesBreached:
    largest = max(sizes, key=lambda name: (sizes[name], name))
    return errors.InlineIOMaxBytesBreached(
        f"{what} have {inline:,} bytes even with large values stored by reference (the largest, {what}.{largest}, has "
        f"{sizes[largest]:,}), but the task's max_inline_io_bytes is {limit:,}; pass {largest!r} as a flyte.io.File, "
        "or raise the limit in @env.task(max_inline_io_bytes=…)"
    )


async def store(
    pieces: "Sequence[Buffer]",
    out: Literal,
    carrier: Carrier,
    *,
    identity: str | None,
    literal_type: LiteralType,
) -> None:
    """Keep a serialized literal and make `out` the reference to it.

    Args:
        pieces: the serialized literal.
        out: what becomes the reference.
        carrier: keeps it.
        identity: what the value is known by (see `identities`), empty if by nothing; None: by its checksum.
        literal_type: repeated in the reference if it is short.
    """
    checksum = digests.digest(pieces)
    uri = await carrier.put(pieces, checksum)
    out.Clear()
    out.offloaded_metadata.uri = uri
    out.offloaded_metadata.size_bytes = _framing.size(pieces)
    if literal_type.ByteSize() <= _LONGEST_TYPE:
        out.offloaded_metadata.inferred_type.CopyFrom(literal_type)
    out.hash = checksum if identity is None else identity
    out.metadata[CHECKSUM] = checksum


async def fetch(reference: Literal, carrier: Carrier, *, path: str) -> memoryview:
    """The serialized literal that a reference stands for; one without a checksum is of another SDK.

    Raises:
        DataCorruptionError: it is not what was written.
        StorageError: it cannot be read.
    """
    kept = reference.offloaded_metadata
    content = await carrier.get(kept.uri, kept.size_bytes)
    expected = reference.metadata.get(CHECKSUM, "")
    if kept.size_bytes and content.nbytes != kept.size_bytes:
        raise _corrupt(path, kept.uri, f"{kept.size_bytes:,} bytes", f"{content.nbytes:,}")
    if expected and (found := digests.digest([content])) != expected:
        raise _corrupt(path, kept.uri, f"the checksum {expected}", found)
    return content


def _corrupt(path: str, uri: str, expected: str, found: str) -> errors.DataCorruptionError:
    return errors.DataCorruptionError(
        f"{path}: {uri} should have {expected}, but has {found}: it was changed or cut after it was written; "
        "delete it and run the action that wrote it again"
    )
