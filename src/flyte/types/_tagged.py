"""Unions at the wire: a literal that says which member it is."""

from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte.types import _framing
from flyte.types._converters import Converter
from flyte.types._nodes.base import Mismatch
from flyte.types._nodes.unions import UnionNode

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType


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
        out.hash = union.value.hash

    async def read(self, literal: Literal) -> Any:
        union = literal.scalar.union
        if not literal.scalar.HasField("union"):
            return await super().read(literal)
        failures: list[Mismatch] = []
        for position in self._candidates(union.type, literal):
            try:
                return await self._members[position].read(union.value)
            except Mismatch as mismatch:
                failures.append(mismatch)
        raise failures[0]

    def pieces(self, value: Any) -> _framing.Pieces | None:
        position = self._positions[id(self.node.best(value)[0])]
        member = self._members[position].pieces(value) if self._unique else None
        return member and _framing.union(member, _key(self._variants[position]))

    async def from_buffer(self, view: memoryview) -> Any:
        framed = _framing.union_payload(view)
        position = self._by_type.get(framed[1]) if framed and self._unique else None
        if framed is None or position is None:
            return await super().from_buffer(view)
        return await self._members[position].from_buffer(framed[0])

    def _candidates(self, written: LiteralType, literal: Literal) -> list[int]:
        """Which members may have been written, the likeliest first.

        One by the exact type; or else (a writer of another SDK, a guessed type) those with the same title, tag or form,
        and then all others.
        """
        noted = literal.metadata.get(_MEMBER, "")
        if noted.isdecimal() and int(noted) < len(self._members):
            return [int(noted)]
        if (exact := self._by_type.get(_key(written))) is not None:
            return [exact]
        alike = [
            i
            for trait in (_title, _tag, _form)
            if (wanted := trait(written))
            for i, variant in enumerate(self._variants)
            if trait(variant) == wanted
        ]
        return list(dict.fromkeys([*alike, *range(len(self._members))]))


_MEMBER = "union_member"


def _tagged(member: Converter) -> LiteralType:
    variant = LiteralType()
    variant.CopyFrom(member.type)
    variant.structure.tag = member.node.tag
    return variant


def _title(literal_type: LiteralType) -> str:
    """The name of a record, by which a class of another version, or a guessed one, is found."""
    metadata = literal_type.metadata
    return metadata.fields["title"].string_value if "title" in metadata.fields else ""


def _tag(literal_type: LiteralType) -> str:
    return literal_type.structure.tag


def _form(literal_type: LiteralType) -> tuple[str | None, int]:
    return literal_type.WhichOneof("type"), literal_type.simple


def _key(literal_type: LiteralType) -> bytes:
    return literal_type.SerializeToString(deterministic=True)
