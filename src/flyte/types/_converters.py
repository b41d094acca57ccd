"""Nodes at the wire: which literal a value becomes.

Scalars, lists and string-keyed dictionaries have literals of their own, which every Flyte reader understands;
everything else is a tree in one binary.  A converter writes into a literal that exists, because protobuf copies what
is assigned.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2

from flyte.types import _guess
from flyte.types._nodes import pickles, trees
from flyte.types._nodes.base import Definitions, Mismatch, Node
from flyte.types._nodes.choices import LiteralNode
from flyte.types._nodes.containers import DictNode, ListNode
from flyte.types._nodes.scalars import AnyNode, DateNode
from flyte.types._nodes.unions import UnionNode

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType
Primitive = literals_pb2.Primitive


class Converter(ABC):
    """Values of one hint to literals and back."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.type = self._literal_type()

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
                return self.node.unpack(trees.unpack(scalar.binary.value))
            case "binary" if scalar.binary.tag == pickles.TAG:
                return self.node.unpack(pickles.loads(scalar.binary.value))
            case "generic":
                return self.node.unpack(_guess.unstruct(scalar.generic))
            case _:
                pass
        return self.node.unpack(_guess.natural(literal))

    def write_tree(self, value: Any, out: Literal) -> None:
        """The value as a tree in a binary."""
        binary = out.scalar.binary
        binary.value = trees.pack(self.node.pack(value))
        binary.tag = trees.TAG


class TreeConverter(Converter):
    """Records, tuples, sets and everything else without a literal of its own."""

    def _literal_type(self) -> LiteralType:
        literal_type = LiteralType(simple=types_pb2.STRUCT)
        if isinstance(self.node, DictNode) and isinstance(self.node.value, AnyNode):
            return literal_type  # a plain `dict` is what a STRUCT without a schema means
        literal_type.metadata.CopyFrom(_struct(schema(self.node)))
        literal_type.structure.tag = self.node.tag
        return literal_type

    async def write(self, value: Any, out: Literal) -> None:
        self.write_tree(value, out)


class ScalarConverter(Converter):
    """One primitive.

    Args:
        node: checks the value.
        simple: the wire's type.
        put: sets the primitive (after the node has checked the value).
    """

    def __init__(
        self, node: Node, simple: types_pb2.SimpleType, put: Callable[[Any, Any, Literal], None]
    ) -> None:
        self._simple = simple
        self._put = put
        super().__init__(node)

    def _literal_type(self) -> LiteralType:
        literal_type = LiteralType(simple=self._simple)
        if isinstance(self.node, DateNode):
            literal_type.structure.tag = self.node.tag  # otherwise nothing tells it from a datetime
        return literal_type

    async def write(self, value: Any, out: Literal) -> None:
        try:
            self._put(self.node, value, out)
        except (ValueError, OverflowError):
            # Beyond what the primitive holds: integers of more than 64 bits, strings that are no valid UTF-8.
            self.write_tree(value, out)

    async def read(self, literal: Literal) -> Any:
        which = literal.scalar.primitive.WhichOneof("value")
        if which is None:
            return await super().read(literal)
        return self.node.unpack(_guess.primitive(literal.scalar.primitive, literal))


class DateConverter(ScalarConverter):
    """A day: midnight in UTC."""

    async def read(self, literal: Literal) -> Any:
        primitive = literal.scalar.primitive
        if primitive.WhichOneof("value") == "datetime":
            return _guess.moment(primitive, literal).date()
        return await super().read(literal)


class EnumConverter(Converter):
    """Strings out of a fixed set."""

    node: LiteralNode

    def _literal_type(self) -> LiteralType:
        return LiteralType(enum_type=types_pb2.EnumType(values=self.node.trees))

    async def write(self, value: Any, out: Literal) -> None:
        out.scalar.primitive.string_value = self.node.pack(value)


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
        if not isinstance(value, dict):
            raise self.node.mismatch(value)
        literals = out.map.literals
        out.map.SetInParent()
        for key, item in value.items():
            if not isinstance(key, str):
                raise self.node.mismatch(key, "its keys must be str")
            try:
                await self._value.write(item, literals[key])
            except Mismatch as mismatch:
                mismatch.steps.append(f"[{key!r}]")
                raise
        order = list(value)
        if order != sorted(order):
            out.metadata[_guess.ORDER] = json.dumps(order, ensure_ascii=False)

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


class UnionConverter(Converter):
    """A tagged value: the literal says which member it is."""

    node: UnionNode

    def __init__(self, node: UnionNode, members: list[Converter]) -> None:
        self._members = members
        self._variants = [_tagged(member) for member in members]
        self._positions = {id(member.node): i for i, member in enumerate(members)}
        self._by_type: dict[bytes, int] = {}
        for i, variant in enumerate(self._variants):
            self._by_type.setdefault(_key(variant), i)
        self._unique = len(self._by_type) == len(members)
        super().__init__(node)

    def _literal_type(self) -> LiteralType:
        return LiteralType(union_type=types_pb2.UnionType(variants=self._variants))

    async def write(self, value: Any, out: Literal) -> None:
        position = self._positions[id(self.node.best(value)[0])]
        union = out.scalar.union
        union.type.CopyFrom(self._variants[position])
        if not self._unique:
            out.metadata[_MEMBER] = str(position)
        await self._members[position].write(value, union.value)

    async def read(self, literal: Literal) -> Any:
        union = literal.scalar.union
        if not literal.scalar.HasField("union"):
            return await super().read(literal)
        position = self._position(union.type, literal)
        if position is None:
            return self.node.unpack(_guess.natural(union.value))
        return await self._members[position].read(union.value)

    def _position(self, written: LiteralType, literal: Literal) -> int | None:
        """Which member was written; by the exact type, or else (a writer of another SDK) by its tag or its form."""
        noted = literal.metadata.get(_MEMBER, "")
        if noted.isdecimal() and int(noted) < len(self._members):
            return int(noted)
        if (exact := self._by_type.get(_key(written))) is not None:
            return exact
        tag = written.structure.tag
        tagged = [
            i for i, variant in enumerate(self._variants) if tag and variant.structure.tag == tag
        ]
        return tagged[0] if len(tagged) == 1 else self._by_form(written)

    def _by_form(self, written: LiteralType) -> int | None:
        form = (written.WhichOneof("type"), written.simple)
        alike = [
            i
            for i, variant in enumerate(self._variants)
            if (variant.WhichOneof("type"), variant.simple) == form
        ]
        return alike[0] if len(alike) == 1 else None


class PickleConverter(Converter):
    """A pickle in a binary."""

    node: pickles.PickleNode

    def _literal_type(self) -> LiteralType:
        blob = types_pb2.BlobType(
            format=pickles.FORMAT, dimensionality=types_pb2.BlobType.BlobDimensionality.SINGLE
        )
        return LiteralType(blob=blob, metadata=_struct({"python_class_name": self.node.name}))

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


_MEMBER = "union_member"


def _tagged(member: Converter) -> LiteralType:
    variant = LiteralType()
    variant.CopyFrom(member.type)
    variant.structure.tag = member.node.tag
    return variant


def _key(literal_type: LiteralType) -> bytes:
    return literal_type.SerializeToString(deterministic=True)


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct
