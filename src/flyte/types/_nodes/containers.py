"""Nodes of lists, dictionaries, tuples and sets."""

import typing
from collections.abc import Iterable
from typing import Any

from flyte.types._nodes import trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema

_SCALAR_KINDS: frozenset[Kind] = frozenset({"nil", "bool", "int", "float", "str", "bin"})


class ListNode(Node):
    """`list[T]`."""

    kinds: frozenset[Kind] = frozenset({"list"})
    native: Kind | None = "list"
    tag = "Typed List"

    def __init__(self, item: Node) -> None:
        self.item = item
        self.name = f"list[{item.name}]"

    def pack(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise self.mismatch(value)
        return _each(self.item.pack, value)

    def unpack(self, tree: Any) -> Any:
        if not isinstance(tree, list):
            raise self.mismatch(tree)
        return _each(self.item.unpack, tree)

    def fit(self, value: Any) -> Fit:
        return (
            _fit(value, list, (self.item.fit(item) for item in value))
            if isinstance(value, list)
            else Fit.NO
        )

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "array", "items": self.item.schema(definitions)}


class ManyNode(Node):
    """`tuple[T, ...]`, `set[T]`, `frozenset[T]`: lists on the wire."""

    kinds: frozenset[Kind] = frozenset({"list"})

    def __init__(self, python_type: type, item: Node) -> None:
        self._type = python_type
        self._item = item
        self.tag = python_type.__name__
        self.name = (
            f"tuple[{item.name}, ...]" if python_type is tuple else f"{self.tag}[{item.name}]"
        )

    def pack(self, value: Any) -> Any:
        if not isinstance(value, self._type) or hasattr(value, "_fields"):
            raise self.mismatch(value)
        packed = _each(self._item.pack, value)
        if self._type is tuple:
            return packed
        # Equal sets must have equal bytes, and their order changes from process to process.
        return sorted(packed, key=trees.pack)

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, self._type):
            tree = list(tree)
        if not isinstance(tree, list):
            raise self.mismatch(tree)
        return self._type(_each(self._item.unpack, tree))

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, self._type) or hasattr(value, "_fields"):
            return Fit.NO
        return _fit(value, self._type, (self._item.fit(item) for item in value))

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "array", "items": self._item.schema(definitions)}
        return schema if self._type is tuple else {**schema, "uniqueItems": True}


class TupleNode(Node):
    """`tuple[A, B]`: a list of fixed length on the wire."""

    kinds: frozenset[Kind] = frozenset({"list"})
    tag = "tuple"

    def __init__(self, items: list[Node]) -> None:
        self._items = items
        self.name = f"tuple[{', '.join(item.name for item in items) or '()'}]"

    def pack(self, value: Any) -> Any:
        if not isinstance(value, tuple) or hasattr(value, "_fields"):
            raise self.mismatch(value)
        return self._zipped(value, [item.pack for item in self._items])

    def unpack(self, tree: Any) -> Any:
        if not isinstance(tree, list | tuple):
            raise self.mismatch(tree)
        return tuple(self._zipped(tree, [item.unpack for item in self._items]))

    def _zipped(self, values: Any, convert: list[Any]) -> list[Any]:
        if len(values) != len(convert):
            raise Mismatch(
                self.name,
                f"{len(values)} items",
                f"give exactly {len(convert)}, or declare tuple[T, ...]",
            )
        return [_at(i, convert[i], value) for i, value in enumerate(values)]

    def fit(self, value: Any) -> Fit:
        if (
            not isinstance(value, tuple)
            or hasattr(value, "_fields")
            or len(value) != len(self._items)
        ):
            return Fit.NO
        fits = (item.fit(part) for item, part in zip(self._items, value, strict=True))
        return _fit(value, tuple, fits)

    def schema(self, definitions: Definitions) -> Schema:
        count = len(self._items)
        items = [item.schema(definitions) for item in self._items]
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


class DictNode(Node):
    """`dict[K, V]`: a map on the wire; keys that msgpack cannot hold by their type carry it themselves."""

    kinds: frozenset[Kind] = frozenset({"map"})
    tag = "Typed Dict"

    def __init__(self, key: Node, value: Node) -> None:
        self.key = key
        self.value = value
        self.name = f"dict[{key.name}, {value.name}]"
        self._scalar_keys = key.kinds <= _SCALAR_KINDS

    def pack(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise self.mismatch(value)
        return {self._pack_key(key): _at(key, self.value.pack, item) for key, item in value.items()}

    def unpack(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            raise self.mismatch(tree)
        return {
            self._unpack_key(key): _at(key, self.value.unpack, item) for key, item in tree.items()
        }

    def _pack_key(self, key: Any) -> Any:
        if self._scalar_keys:
            return _at(key, self.key.pack, key)
        if self.key.fit(key) is Fit.NO:
            raise self.mismatch(key, f"its keys must be {self.key.name}")
        return key

    def _unpack_key(self, key: Any) -> Any:
        return _at(key, self.key.unpack, key) if self._scalar_keys else key

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, dict):
            return Fit.NO
        fits = (min(self.key.fit(key), self.value.fit(item)) for key, item in value.items())
        return _fit(value, dict, fits)

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "object", "additionalProperties": self.value.schema(definitions)}


def build(hint: Any, build: Build) -> Node | None:
    """The node of a container's hint; None for others."""
    origin = typing.get_origin(hint) or hint
    args = typing.get_args(hint)
    if origin is list:
        return ListNode(build(*(args or (Any,))))
    if origin is dict:
        key, value = args or (Any, Any)
        return DictNode(build(key), build(value))
    if origin in (set, frozenset):
        return ManyNode(origin, build(*(args or (Any,))))
    if origin is tuple:
        return _tuple(hint, args, build)
    return None


def _tuple(hint: Any, args: tuple[Any, ...], build: Build) -> Node:
    if hint in (tuple, typing.Tuple):  # noqa: UP006 - the old spelling is another object
        return ManyNode(tuple, build(Any))
    if len(args) == 2 and args[1] is Ellipsis:
        return ManyNode(tuple, build(args[0]))
    return TupleNode([build(arg) for arg in args])


def _each(convert: Any, values: Iterable[Any]) -> list[Any]:
    index = 0
    result: list[Any] = []
    try:
        for index, value in enumerate(values):  # noqa: B007 - read when a mismatch passes
            result.append(convert(value))
    except Mismatch as mismatch:
        mismatch.steps.append(f"[{index}]")
        raise
    return result


def _at(key: Any, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except Mismatch as mismatch:
        mismatch.steps.append(f"[{key!r}]")
        raise


def _fit(value: Any, python_type: type, fits: Iterable[Fit]) -> Fit:
    """A container fits as well as its worst item."""
    own = Fit.EXACT if type(value) is python_type else Fit.NEAR
    for fit in fits:
        own = min(own, fit)
        if own is Fit.NO:
            break
    return own
