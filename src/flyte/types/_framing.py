"""Literals of large values as pieces: protobuf's framing before and after a payload that is not copied.

Protobuf copies a payload three times on its way out and twice on its way in.  The framing around it is a few bytes,
written and read here; whatever has another form is left to protobuf.  Joined, the pieces are exactly what protobuf's
deterministic serialization of the same literal gives, so a value has one digest whoever wrote it.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flyteidl2.core import literals_pb2

if TYPE_CHECKING:
    from typing_extensions import Buffer

_SCALAR = literals_pb2.Literal.SCALAR_FIELD_NUMBER
_PRIMITIVE = literals_pb2.Scalar.PRIMITIVE_FIELD_NUMBER
_TEXT = literals_pb2.Primitive.STRING_VALUE_FIELD_NUMBER
_BINARY = literals_pb2.Scalar.BINARY_FIELD_NUMBER
_VALUE = literals_pb2.Binary.VALUE_FIELD_NUMBER
_TAG = literals_pb2.Binary.TAG_FIELD_NUMBER
_UNION = literals_pb2.Scalar.UNION_FIELD_NUMBER
_MEMBER = literals_pb2.Union.VALUE_FIELD_NUMBER
_TYPE = literals_pb2.Union.TYPE_FIELD_NUMBER

_LENGTH_DELIMITED = 2

WORTHWHILE = 64 * 1024
"""Bytes of a payload below which protobuf's copies cost nothing that counts."""

Pieces = list["Buffer"]
"""Buffers that belong one after the other."""


def size(pieces: "Sequence[Buffer]") -> int:
    """Bytes of all pieces together."""
    return sum(memoryview(piece).nbytes for piece in pieces)


def binary(payload: "Sequence[Buffer]", tag: str = "") -> Pieces:
    """The literal whose scalar is a binary with this value and tag.

    >>> b"".join(binary([b"abc"])) == literals_pb2.Literal(
    ...     scalar={"binary": {"value": b"abc"}}
    ... ).SerializeToString()
    True
    """
    value = _field(_VALUE, payload)
    if tag:
        value += _field(_TAG, [tag.encode()])
    return _field(_SCALAR, _field(_BINARY, value), whole=True)


def binary_offset(size: int, tag: str = "") -> int:
    """Where in the literal a binary's value of `size` bytes begins."""
    tag_field = len(b"".join(memoryview(piece) for piece in _field(_TAG, [tag.encode()])))
    inner = len(_head(_VALUE, size))
    body = inner + size + (tag_field if tag else 0)
    head = _head(_BINARY, body)
    return len(_head(_SCALAR, len(head) + body)) + len(head) + inner


def binary_payload(literal: memoryview, tag: str = "") -> memoryview | None:
    """The value of a literal that `binary` framed, in place; None when it has another form or another tag."""
    parts = _parts(_inside(literal, _SCALAR, _BINARY))
    found_tag = bytes(parts.pop(_TAG, b"")).decode(errors="replace")
    payload = parts.pop(_VALUE, None)
    return payload if found_tag == tag and not parts else None


def text(payload: "Buffer") -> Pieces:
    """The literal of a string, given in UTF-8."""
    return _field(_SCALAR, _field(_PRIMITIVE, _field(_TEXT, [payload])), whole=True)


def text_payload(literal: memoryview) -> memoryview | None:
    """The UTF-8 of a literal that `text` framed, in place; None when it has another form."""
    return _inside(literal, _SCALAR, _PRIMITIVE, _TEXT)


def union(member: "Sequence[Buffer]", literal_type: bytes) -> Pieces:
    """The literal of a union: the literal of its value, and the type that it was written as."""
    body = [*_field(_MEMBER, member, whole=True), *_field(_TYPE, [literal_type])]
    return _field(_SCALAR, _field(_UNION, body), whole=True)


def union_payload(literal: memoryview) -> tuple[memoryview, bytes] | None:
    """The literal in a union, in place, and its type; None when it has another form."""
    parts = _parts(_inside(literal, _SCALAR, _UNION))
    if parts.keys() != {_MEMBER, _TYPE}:
        return None
    return parts[_MEMBER], bytes(parts[_TYPE])


def _field(number: int, content: "Sequence[Buffer]", *, whole: bool = False) -> Pieces:
    """A length-delimited field; an empty string or value is left out, as protobuf does (a message, `whole`, is not)."""
    length = size(content)
    if not length and not whole:
        return []
    return [_head(number, length), *content]


def _head(number: int, length: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _inside(message: memoryview | None, *path: int) -> memoryview | None:
    """The content at the end of a path of messages each of which has this one field only."""
    for number in path:
        parts = _parts(message)
        if parts.keys() != {number}:
            return None
        message = parts[number]
    return message


def _parts(message: memoryview | None) -> dict[int, memoryview]:
    """The fields of a message by number; nothing unless all are length-delimited and none comes twice."""
    found: dict[int, memoryview] = {}
    if message is None:
        return found
    try:
        for number, content in _fields(message):
            if number in found:
                return {}
            found[number] = content
    except (ValueError, IndexError):
        return {}
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        length, at = _read_varint(message, at)
        if key & 7 != _LENGTH_DELIMITED or at + length > len(message):
            raise ValueError("not a message of length-delimited fields")
        yield key >> 3, message[at : at + length]
        at += length


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := message[at]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1
