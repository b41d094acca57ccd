"""Nodes of lists, dictionaries, tuples and sets."""

import operator
import typing
from collections.abc import Callable, Iterable
from typing import Any

from flyte.types._nodes import trees, waiting
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema
from flyte.types._nodes.scalars import AnyNode

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

    def parts(self) -> Iterable[Node]:
        return (self.item,)

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, list):
            return Fit.NO
        return _fit(value, list, (self.item.fit(item) for item in value))

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
        if not trees.is_settled(packed):
            return _OrderLater(packed)
        # Equal sets must have equal bytes, and their order changes from process to process.
        return sorted(packed, key=trees.pack)

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, self._type):
            tree = list(tree)
        if not isinstance(tree, list):
            raise self.mismatch(tree)
        values = _each(self._item.unpack, tree)
        try:
            return self._type(values)
        except TypeError as error:  # such as "unhashable type: 'list'"
            fix = f"{error}; make the items hashable, or declare list[{self._item.name}]"
            raise self.mismatch(tree, fix) from error

    def parts(self) -> Iterable[Node]:
        return (self._item,)

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, self._type) or hasattr(value, "_fields"):
            return Fit.NO
        return _fit(value, self._type, (self._item.fit(item) for item in value))

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "array", "items": self._item.schema(definitions)}
        if self._type is not tuple:
            schema["uniqueItems"] = True
        return {**schema, "format": self.tag}


class _OrderLater(trees.Later):
    """The items of a set, in their order: by their bytes, once these are there."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    async def tree(self) -> Any:
        # Each item is awaited by itself: its bytes are its place, and a set has no index that an error could name.
        packed: list[tuple[bytes, Any]] = []
        for item in self._items:
            packer = trees.Packer()
            data = packer.pack(item)
            if packer.open:
                data = await waiting.settle(packer, item, None)
            identity = packer.identity(item) if packer.is_identified else b""
            parsed = trees.unpack(data)
            tree = trees.Identified(parsed, identity.hex()) if identity else parsed
            packed.append((identity or data, tree))
        return [tree for _, tree in sorted(packed, key=operator.itemgetter(0))]


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

    def parts(self) -> Iterable[Node]:
        return self._items

    def _zipped(self, values: Any, convert: list[Any]) -> list[Any]:
        if len(values) != len(convert):
            raise Mismatch(
                self.name,
                f"{len(values)} items",
                f"give exactly {len(convert)}, or declare tuple[T, ...]",
            )
        parts = enumerate(zip(convert, values, strict=True))
        return [item for _, item in _convert(values, ((i, *part) for i, part in parts))]

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
        # Keys that carry their type themselves: what `Any` holds, and what would have to be waited for.
        self._bare_keys = isinstance(key, AnyNode) or key.waits
        self._scalar_keys = key.kinds <= _SCALAR_KINDS

    def pack(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise self.mismatch(value)
        pack = self.value.pack
        items = _convert(value, ((key, pack, item) for key, item in value.items()))
        return {self._pack_key(key): item for key, item in items}

    def unpack(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            raise self.mismatch(tree)
        unpack = self.value.unpack
        items = _convert(tree, ((key, unpack, item) for key, item in tree.items()))
        try:
            return {self._unpack_key(key): item for key, item in items}
        except TypeError as error:
            raise self.mismatch(tree, f"{error}; declare keys that are hashable") from error

    def parts(self) -> Iterable[Node]:
        return (self.key, self.value)

    def _pack_key(self, key: Any) -> Any:
        try:
            if self._scalar_keys:
                return self.key.pack(key)
            if self.key.fit(key) is Fit.NO:
                raise self.mismatch(key, f"its keys must be {self.key.name}")
            return key if self._bare_keys else trees.Key(trees.pack(self.key.pack(key)))
        except Mismatch as mismatch:
            raise mismatch.at(f"[{key!r}]") from None

    def _unpack_key(self, key: Any) -> Any:
        try:
            return self._key_of(key)
        except Mismatch as mismatch:
            raise mismatch.at(f"[{key!r}]") from None

    def _key_of(self, key: Any) -> Any:
        if isinstance(key, trees.Key):
            if self._bare_keys:
                return trees.plain_key(key)
            return self.key.unpack(trees.unpack(key.tree))
        if self._scalar_keys:
            return self.key.unpack(key)
        if self.key.fit(key) is Fit.NO:
            raise self.key.mismatch(key)
        return key

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, dict):
            return Fit.NO
        fits = (min(self.key.fit(key), self.value.fit(item)) for key, item in value.items())
        return _fit(value, dict, fits)

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {
            "type": "object",
            "additionalProperties": self.value.schema(definitions),
        }
        # JSON knows keys of text only; which ones they stand for is said in a word of our own.
        return schema if self.key.tag == "str" else {**schema, "keys": self.key.schema(definitions)}


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


def _each(convert: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """Every value converted; mismatches get their index, and what waits waits together."""
    result: list[Any] = []
    together: trees.Waiting | None = None
    for index, value in enumerate(values):
        try:
            result.append(convert(value))
        except Mismatch as mismatch:
            mismatch.steps.append(f"[{index}]")
            raise
        except trees.Waiting as asked:
            together = asked.at(values, index, f"[{index}]", others=together)
    if together is not None:
        raise together
    return result


def _convert(
    tree: Any, parts: Iterable[tuple[Any, Callable[[Any], Any], Any]]
) -> list[tuple[Any, Any]]:
    """The same for parts of which each has its own key and conversion."""
    result: list[tuple[Any, Any]] = []
    together: trees.Waiting | None = None
    for key, convert, value in parts:
        try:
            result.append((key, convert(value)))
        except Mismatch as mismatch:
            mismatch.steps.append(f"[{key!r}]")
            raise
        except trees.Waiting as asked:
            together = asked.at(tree, key, f"[{key!r}]", others=together)
    if together is not None:
        raise together
    return result


def _fit(value: Any, python_type: type, fits: Iterable[Fit]) -> Fit:
    """A container fits as well as its worst item."""
    own = Fit.EXACT if type(value) is python_type else Fit.NEAR
    for fit in fits:
        own = min(own, fit)
        if own is Fit.NO:
            break
    return own
