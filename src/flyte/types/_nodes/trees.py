"""Trees as bytes: msgpack, with extension codes for what plain msgpack has no word for.

Hints that name a type use msgpack's own words wherever readers of other SDKs expect them (a date is a string, a tuple
a list).  The extensions here are for values that would come back as something else: whatever is inside `Any`, integers
beyond 64 bits, and a member of a union that its form alone does not tell.
"""

import datetime
import decimal
import functools
import pathlib
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flyte._kit import optional
from flyte.types._nodes import pickles, times
from flyte.types._nodes.base import Kind, Mismatch, found

TAG = "msgpack"
"""`Binary.tag` of a tree on the wire."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A tree that says which member of a union it is."""

    member: str
    tree: Any


@dataclass(frozen=True, slots=True)
class Embedded:
    """A literal inside a tree: the value of a registered transformer."""

    literal: bytes


def pack(tree: Any) -> bytes:
    """The bytes of a tree."""
    try:
        return _msgpack().packb(
            tree, default=_extension, strict_types=True, unicode_errors="surrogatepass"
        )
    except (ValueError, OverflowError) as error:
        if "recursion" in str(error):
            raise Mismatch(
                "a value of limited depth",
                found(tree),
                "it contains itself or is nested too deeply",
            ) from error
        raise Mismatch("a value that msgpack can hold", found(tree), str(error)) from error


def unpack(data: bytes) -> Any:
    """The tree of some bytes."""
    try:
        return _msgpack().unpackb(
            data,
            ext_hook=_value,
            timestamp=3,
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )
    except (ValueError, TypeError) as error:
        raise Mismatch(
            "msgpack data", f"{len(data)} bytes", f"they cannot be read: {error}"
        ) from error


def plain(tree: Any) -> Any:
    """A tree for readers who lack the types: choices and embedded literals give way to what they hold."""
    match tree:
        case Choice():
            return plain(tree.tree)
        case list():
            return [plain(item) for item in tree]
        case dict():
            return {key: plain(value) for key, value in tree.items()}
        case _:
            return tree


_KINDS: dict[type, Kind] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bin",
    list: "list",
    dict: "map",
}


def kind(tree: Any) -> Kind:
    """What the outermost knot of a tree is."""
    return _KINDS.get(type(tree), "ext")


def _msgpack() -> Any:
    return optional.module("msgpack", "values that travel as msgpack")


def _int_bytes(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _items(values: Any) -> bytes:
    return pack(list(values))


def _sorted_items(values: Any) -> bytes:
    # The order of a set changes from process to process; the bytes of equal sets must not.
    packed = sorted(pack(item) for item in values)
    return _items(unpack(item) for item in packed)


def _choice(data: bytes) -> Choice:
    member, tree = unpack(data)
    return Choice(member, tree)


def _text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode())


def _encoded(text: Callable[[Any], str]) -> Callable[[Any], bytes]:
    return lambda value: text(value).encode()


_path_text = _encoded(str)
_CODECS: dict[int, tuple[type, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    1: (int, _int_bytes, functools.partial(int.from_bytes, byteorder="big", signed=True)),
    2: (tuple, _items, lambda data: tuple(unpack(data))),
    3: (set, _sorted_items, lambda data: set(unpack(data))),
    4: (frozenset, _sorted_items, lambda data: frozenset(unpack(data))),
    5: (datetime.datetime, _encoded(times.text), _text(times.datetime_of)),
    6: (datetime.date, _encoded(times.text), _text(datetime.date.fromisoformat)),
    7: (datetime.time, _encoded(times.text), _text(times.time_of)),
    8: (datetime.timedelta, _encoded(times.span_text), _text(times.span_of)),
    9: (decimal.Decimal, _encoded(str), _text(decimal.Decimal)),
    10: (uuid.UUID, _encoded(str), _text(uuid.UUID)),
    11: (type(pathlib.Path()), _path_text, _text(pathlib.Path)),
    12: (pathlib.PurePosixPath, _path_text, _text(pathlib.PurePosixPath)),
    13: (
        complex,
        lambda z: struct.pack(">dd", z.real, z.imag),
        lambda data: complex(*struct.unpack(">dd", data)),
    ),
    20: (Choice, lambda choice: pack([choice.member, choice.tree]), _choice),
    21: (Embedded, lambda embedded: embedded.literal, Embedded),
}
"""Extension code → type, to bytes, from bytes.  Codes are stored with users' data: never renumber them."""

_CODE_OF = {codec[0]: code for code, codec in _CODECS.items()}
_PICKLE = 30


def _extension(value: Any) -> Any:
    """msgpack's `default`: called for everything that is not exactly one of its own types."""
    extension = _msgpack().ExtType
    if isinstance(value, pickles.Pickled):
        return extension(_PICKLE, value.data)
    code = _CODE_OF.get(type(value))
    if code is None:
        pickles.warn(type(value).__qualname__)
        return extension(_PICKLE, pickles.dumps(value))
    return extension(code, _CODECS[code][1](value))


def _value(code: int, data: bytes) -> Any:
    """msgpack's `ext_hook`."""
    if code == _PICKLE:
        return pickles.loads(data)
    if code not in _CODECS:
        raise ValueError(f"extension code {code} is unknown; the data was written by a newer flyte")
    return _CODECS[code][2](data)
