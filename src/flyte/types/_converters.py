"""Nodes at the wire: which literal a value becomes.

Scalars, lists and string-keyed dictionaries have literals of their own, which every Flyte reader understands;
everything else is a tree in one binary.  A converter writes into a literal that exists, because protobuf copies what
is assigned.
"""

import functools
import json
from abc import ABC, abstractmethod
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2
from google.protobuf.message import DecodeError

from flyte.types import _framing, _guess
from flyte.types._nodes import identities, pickles, trees, waiting
from flyte.types._nodes.base import Definitions, Mismatch, Node
from flyte.types._nodes.containers import DictNode, ListNode
from flyte.types._nodes.scalars import AnyNode

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType
Primitive = literals_pb2.Primitive


class Converter(ABC):
    """Values of one hint to literals and back."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.type = self._literal_type()

    @functools.cached_property
    def waits(self) -> bool:
        """Whether `write` or `read` may have to wait for something, and so needs an event loop."""
        return waiting.may_wait(self.node)

    @abstractmethod
    def _literal_type(self) -> LiteralType: ...

    @abstractmethod
    async def write(self, value: Any, out: Literal) -> None:
        """Fill the empty literal `out`; raises Mismatch when the value does not fit."""

    async def read(self, literal: Literal) -> Any:
        """The value of a literal; a tree in a binary is understood for every hint."""
        scalar = literal.scalar
        match scalar.WhichOneof("value"):
            case "union":
                return await self.read(scalar.union.value)
            case "binary" if scalar.binary.tag == trees.TAG:
                return await self.unpacked(trees.unpack(scalar.binary.value))
            case "binary" if scalar.binary.tag == pickles.TAG:
                return self.node.unpack(pickles.loads(scalar.binary.value))
            case "generic":
                return await self.unpacked(_guess.unstruct(scalar.generic))
            case _:
                pass
        return self.node.unpack(_guess.natural(literal))

    async def unpacked(self, tree: Any) -> Any:
        """The value of a tree, after what must be waited for."""
        try:
            return self.node.unpack(tree)
        except trees.Waiting as asked:
            return await waiting.unpacked(self.node, tree, asked)

    def pieces(self, value: Any) -> _framing.Pieces | None:
        """The serialized literal of a large value without a copy of its payload; None: `write` is as good.

        Joined, the pieces are what `write` and protobuf's deterministic serialization give (see `_framing`).
        """
        return None

    async def from_buffer(self, view: memoryview) -> Any:
        """The value of a serialized literal; overridden where protobuf's copies can be spared.

        Args:
            view: a private copy (writable: what is made of it may live on it), or a read-only one of somebody else's.
        """
        try:
            literal = Literal.FromString(view)  # pyright: ignore[reportArgumentType] - any buffer will do
        except DecodeError as error:
            raise Mismatch(
                "a serialized literal", "bytes that are none", "write the value again"
            ) from error
        return await self.read(literal)

    async def write_tree(self, value: Any, out: Literal) -> None:
        """The value as a tree in a binary; its parts' identities, if they have any, make its own."""
        tree = self.node.pack(value)
        packer = trees.Packer()
        try:
            data = packer.pack(tree)
            if packer.open:
                data = await waiting.settle(packer, tree, value)
        except Mismatch as mismatch:
            if packer.culprit is not None:
                waiting.located(mismatch, value, tree, packer.culprit)
            raise
        binary = out.scalar.binary
        binary.value = data
        binary.tag = trees.TAG
        if packer.is_identified:
            out.hash = identities.of(packer.identity(tree))


class TreeConverter(Converter):
    """Records, tuples, sets and everything else without a literal of its own."""

    def _literal_type(self) -> LiteralType:
        literal_type = LiteralType(simple=types_pb2.STRUCT)
        if isinstance(self.node, DictNode) and isinstance(self.node.value, AnyNode):
            return literal_type  # a plain `dict` is what a STRUCT without a schema means
        literal_type.metadata.CopyFrom(struct(schema(self.node)))
        literal_type.structure.tag = self.node.tag
        return literal_type

    async def write(self, value: Any, out: Literal) -> None:
        await self.write_tree(value, out)


class ListConverter(Converter):
    """A collection of literals."""

    def __init__(self, node: ListNode, item: Converter) -> None:
        self._item = item
        super().__init__(node)

    def _literal_type(self) -> LiteralType:
        return LiteralType(collection_type=self._item.type)

    async def write(self, value: Any, out: Literal) -> None:
        if not isinstance(value, list):
            raise self.node.mismatch(value)
        literals = out.collection.literals
        out.collection.SetInParent()
        write = self._item.write
        try:
            for item in value:
                await write(item, literals.add())
        except Mismatch as mismatch:
            mismatch.steps.append(f"[{len(literals) - 1}]")
            raise
        if self.waits:
            out.hash = identities.of_literals((str(i), each) for i, each in enumerate(literals))

    async def read(self, literal: Literal) -> Any:
        if not literal.HasField("collection"):
            return await super().read(literal)
        read = self._item.read
        index = 0
        values: list[Any] = []
        try:
            for index, item in enumerate(literal.collection.literals):  # noqa: B007 - see below
                values.append(await read(item))
        except Mismatch as mismatch:
            mismatch.steps.append(f"[{index}]")
            raise
        return values


class MapConverter(Converter):
    """A map of literals; protobuf forgets the order of the keys, so it is noted if it is not alphabetical."""

    def __init__(self, node: DictNode, value: Converter) -> None:
        self._value = value
        super().__init__(node)

    def _literal_type(self) -> LiteralType:
        return LiteralType(map_value_type=self._value.type)

    async def write(self, value: Any, out: Literal) -> None:
        self._check_keys(value)
        if not _is_utf8("".join(value)):
            await self.write_tree(value, out)
            return
        literals = out.map.literals
        out.map.SetInParent()
        for key, item in value.items():
            try:
                await self._value.write(item, literals[key])
            except Mismatch as mismatch:
                mismatch.steps.append(f"[{key!r}]")
                raise
        if self.waits:
            out.hash = identities.of_literals(sorted(literals.items()))
        order = list(value)
        if order != sorted(order):
            out.metadata[_guess.ORDER] = json.dumps(order, ensure_ascii=False)

    def _check_keys(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise self.node.mismatch(value)
        for key in value:
            if not isinstance(key, str):
                raise self.node.mismatch(key, "its keys must be str").at(f"[{key!r}]")

    async def read(self, literal: Literal) -> Any:
        if not literal.HasField("map"):
            return await super().read(literal)
        values: dict[str, Any] = {}
        for key in _guess.keys(literal):
            try:
                values[key] = await self._value.read(literal.map.literals[key])
            except Mismatch as mismatch:
                mismatch.steps.append(f"[{key!r}]")
                raise
        return values


def _is_utf8(text: str) -> bool:
    """Whether protobuf can hold a text: half of a surrogate pair it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class PickleConverter(Converter):
    """A pickle in a binary."""

    node: pickles.PickleNode

    def _literal_type(self) -> LiteralType:
        blob = types_pb2.BlobType(
            format=pickles.FORMAT, dimensionality=types_pb2.BlobType.BlobDimensionality.SINGLE
        )
        return LiteralType(blob=blob, metadata=struct({"python_class_name": self.node.name}))

    async def write(self, value: Any, out: Literal) -> None:
        binary = out.scalar.binary
        binary.value = self.node.dumps(value)
        binary.tag = pickles.TAG


def schema(node: Node) -> dict[str, Any]:
    """The JSON schema of a node's values, its own record at the top and the others under `$defs`."""
    definitions = Definitions()
    own = node.schema(definitions)
    name = own.get("$ref", "").rpartition("/")[2]
    if name:
        own = definitions.schemas[name]
        if f"#/$defs/{name}" not in json.dumps([own, definitions.schemas]):
            del definitions.schemas[name]
    return {**own, "$defs": definitions.schemas} if definitions.schemas else own


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    """A dictionary as a protobuf Struct."""
    made = struct_pb2.Struct()
    made.update(values)
    return made
