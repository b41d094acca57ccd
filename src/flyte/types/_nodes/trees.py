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
from collections.abc import Callable, Iterable
from typing import Any

from flyte._kit import optional
from flyte.types._nodes import pickles, times
from flyte.types._nodes.base import Kind, Mismatch, found
from flyte.types._nodes.knots import Arrived as Arrived
from flyte.types._nodes.knots import Choice as Choice
from flyte.types._nodes.knots import Embedded as Embedded
from flyte.types._nodes.knots import Identified as Identified
from flyte.types._nodes.knots import Key as Key
from flyte.types._nodes.knots import Later as Later
from flyte.types._nodes.knots import Mutable as Mutable
from flyte.types._nodes.knots import Wait as Wait
from flyte.types._nodes.knots import Waiting as Waiting

TAG = "msgpack"
"""`Binary.tag` of a tree on the wire."""
PATH_FIX = (
    "a path means something on this machine only; store the file: flyte.io.File.from_local(path) "
    "(flyte.io.Dir for a folder), or pass str(path)"
)


class Packer:
    """Makes bytes of one tree; notes what must be waited for, and what has an identity of its own."""

    def __init__(self) -> None:
        self.open: list[Later] = []
        """Parts that must be waited for before the bytes are right."""
        self.settled: dict[int, Any] = {}
        """What came of those that were waited for, by their `id`."""
        self.is_identified = False
        self.culprit: Any = None
        """The innermost value that could not be packed."""
        self._by_identity = False

    def pack(self, tree: Any) -> bytes:
        """The bytes of a tree, with None where something is `open`."""
        try:
            return _msgpack().packb(
                tree, default=self._extension, strict_types=True, unicode_errors="surrogatepass"
            )
        except (ValueError, OverflowError) as error:
            if "recursion" in str(error):
                raise Mismatch(
                    "a value of limited depth",
                    found(tree),
                    "it contains itself or is nested too deeply",
                ) from error
            raise Mismatch("a value that msgpack can hold", found(tree), str(error)) from error

    def identity(self, tree: Any) -> bytes:
        """The bytes of a tree with identities in the place of the parts that have one."""
        self._by_identity = True
        return self.pack(tree)

    def _extension(self, value: Any) -> Any:
        """msgpack's `default`: called for everything that is not exactly one of its own types."""
        extension = _msgpack().ExtType
        try:
            if (code := _CODE_OF.get(type(value))) is not None:
                return extension(code, _CODECS[code][1](value, self.pack))
            return self._special(value, extension)
        except Mismatch:
            self.culprit = value if self.culprit is None else self.culprit
            raise

    def _special(self, value: Any, extension: Callable[[int, bytes], Any]) -> Any:
        if isinstance(value, Identified):
            self.is_identified = True
            return value.identity if self._by_identity else self._again(value.tree, extension)
        if isinstance(value, Later):
            if id(value) in self.settled:
                return self._again(self.settled[id(value)], extension)
            self.open.append(value)
            return None
        if isinstance(value, pickles.Pickled):
            return extension(_PICKLE, value.data)
        return self._again(_foreign(value, extension), extension)

    def _again(self, tree: Any, extension: Any) -> Any:
        # msgpack asks once only, so what comes of a part must be one of its own words.
        own = type(tree) in _KINDS or type(tree) is extension
        big = type(tree) is int and not -(2**63) <= tree < 2**64
        return tree if own and not big else self._extension(tree)


def pack(tree: Any) -> bytes:
    """The bytes of a tree in which nothing must be waited for."""
    packer = Packer()
    data = packer.pack(tree)
    if packer.open:
        raise TypeError("a part of this tree must be waited for; pack it with `waiting.packed`")
    return data


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


def exact(value: Any) -> Any:
    """A value without a hint as a tree: the value itself, unless it holds what msgpack would silently change."""
    match value:
        case bytearray():
            return Mutable(bytes(value))
        case memoryview():
            raise Mismatch("a value that can be stored", found(value), "convert it with bytes()")
        case list() | tuple() | set() | frozenset() if type(value) in _BUILT_IN:
            changed = _changed(enumerate(value), step=not isinstance(value, set | frozenset))
            if not changed:
                return value
            return type(value)(changed.get(i, item) for i, item in enumerate(value))
        case dict() if type(value) is dict:
            return {**value, **changed} if (changed := _changed(value.items())) else value
        case _:
            return value


_BUILT_IN = {list, tuple, set, frozenset, dict}
_TO_LOOK_AT = {*_BUILT_IN, bytearray, memoryview}


def _changed(items: Iterable[tuple[Any, Any]], *, step: bool = True) -> dict[Any, Any]:
    """The items of a container that are not their own trees, by index or key."""
    changed: dict[Any, Any] = {}
    for key, item in items:
        if type(item) not in _TO_LOOK_AT:
            continue
        try:
            tree = exact(item)
        except Mismatch as mismatch:
            raise mismatch.at(f"[{key!r}]" if step else "") from None
        if tree is not item:
            changed[key] = tree
    return changed


def is_settled(tree: Any) -> bool:
    """Whether nothing in a tree must be waited for or has an identity of its own."""
    match tree:
        case Later() | Identified():
            return False
        case Choice():
            return is_settled(tree.tree)
        case list():
            return all(map(is_settled, tree))
        case dict():
            return all(map(is_settled, tree.values()))
        case _:
            return True


def is_json(tree: Any) -> bool:
    """Whether a tree is JSON that even a reader with doubles only gets back as it is."""
    match tree:
        case bool() | str() | None:
            return True
        case int() | float():
            return abs(tree) < _EXACT_IN_A_DOUBLE
        case list():
            return all(map(is_json, tree))
        case dict():
            return all(type(key) is str and is_json(value) for key, value in tree.items())
        case _:
            return False


_EXACT_IN_A_DOUBLE = 2**53


def plain(tree: Any) -> Any:
    """A tree for readers who lack the hints: choices and keys give way to what they hold."""
    match tree:
        case Choice():
            return plain(tree.tree)
        case list():
            return [plain(item) for item in tree]
        case dict():
            return {plain_key(key): plain(value) for key, value in tree.items()}
        case _:
            return tree


def plain_key(key: Any) -> Any:
    """The key of a map for readers who lack the hints."""
    return _hashable(unpack(key.tree)) if isinstance(key, Key) else plain(key)


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
    return kind(tree.tree) if isinstance(tree, Identified) else _KINDS.get(type(tree), "ext")


def _msgpack() -> Any:
    return optional.module("msgpack", "values that travel as msgpack")


Pack = Callable[[Any], bytes]


def _int_bytes(value: int, pack: Pack) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _items(values: Any, pack: Pack) -> bytes:
    return pack(list(values))


def _sorted_items(values: Any, pack: Pack) -> bytes:
    # The order of a set changes from process to process; the bytes of equal sets must not.
    return pack([item for _, item in sorted(((pack(item), item) for item in values), key=_first)])


def _first(pair: tuple[bytes, Any]) -> bytes:
    return pair[0]


def _chosen(choice: Choice, pack: Pack) -> bytes:
    return pack([choice.member, choice.tree])


def _choice(data: bytes) -> Any:
    """The choice of some bytes; of what was written with the name of its type (see `_foreign`) the value."""
    member, tree = unpack(data)
    return _family(member).restored(member, tree) if member in _FAMILIES else Choice(member, tree)


def _hashable(tree: Any) -> Any:
    match tree:
        case list():
            return tuple(map(_hashable, tree))
        case dict():
            return tuple((plain_key(key), _hashable(item)) for key, item in tree.items())
        case _:
            return plain(tree)


def _text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode())


def _encoded(text: Callable[[Any], str]) -> Callable[[Any, Pack], bytes]:
    return lambda value, pack: text(value).encode()


def _complex_bytes(value: complex, pack: Pack) -> bytes:
    return struct.pack(">dd", value.real, value.imag)


def _refused(fix: str) -> Callable[[Any, Pack], bytes]:
    def refuse(value: Any, pack: Pack) -> bytes:
        raise Mismatch("a value that can be stored", found(value), fix)

    return refuse


_no_path = _refused(PATH_FIX)
_CODECS: dict[int, tuple[type, Callable[[Any, Pack], bytes], Callable[[bytes], Any]]] = {
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
    11: (type(pathlib.Path()), _no_path, _text(pathlib.Path)),
    12: (pathlib.PurePosixPath, _no_path, _text(pathlib.PurePosixPath)),
    13: (
        complex,
        _complex_bytes,
        lambda data: complex(*struct.unpack(">dd", data)),
    ),
    16: (Mutable, lambda mutable, pack: mutable.content, bytearray),
    20: (Choice, _chosen, _choice),
    21: (Embedded, lambda embedded, pack: embedded.literal, Embedded),
    22: (Key, lambda key, pack: key.tree, Key),
}
"""Extension code → type, to bytes, from bytes.  Codes are stored with users' data: never renumber them."""

_CODE_OF = {codec[0]: code for code, codec in _CODECS.items()}
_PICKLE = 30
_ROOMS = {14: "flyte.types._npy", 15: "flyte.types._messages"}
"""Extension code → module that has the bytes of foreign values: `dumps(value)` (None: not of mine), `loads(data)`."""
_CODE_OF_PACKAGE = {"numpy": 14, "google": 15}
_FAMILIES = {"flyte.io.File", "flyte.io.Dir", "flyte.io.DataFrame"}


def _family(name: str) -> Any:
    return optional.module("flyte.types._families", f"values of type {name}")


def _foreign(value: Any, extension: Callable[[int, bytes], Any]) -> Any:
    """A value of a type that msgpack knows nothing of: bytes of its family, a typed tree, or else a pickle."""
    for base in type(value).__mro__:
        if f"flyte.io.{base.__name__}" in _FAMILIES and base.__module__.startswith("flyte.io"):
            name = f"flyte.io.{base.__name__}"
            return Choice(name, _family(name).packed(name, value))
        code = _CODE_OF_PACKAGE.get(base.__module__.partition(".")[0])
        if code is not None and (data := _room(code).dumps(value)) is not None:
            return extension(code, data)
    if isinstance(value, pathlib.PurePath):
        return _no_path(value, pack)
    pickles.warn(type(value).__qualname__)
    return extension(_PICKLE, pickles.dumps(value))


def _room(code: int) -> Any:
    return optional.module(_ROOMS[code], "values in a tree")


def _value(code: int, data: bytes) -> Any:
    """msgpack's `ext_hook`."""
    if code == _PICKLE:
        return pickles.loads(data)
    if code in _ROOMS:
        return _room(code).loads(data)
    if code not in _CODECS:
        raise ValueError(f"extension code {code} is unknown; the data was written by a newer flyte")
    return _CODECS[code][2](data)
