"""Single values at the wire: one primitive, or the bytes of one binary."""

from collections.abc import Callable
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte._kit import copies
from flyte.types import _framing, _guess
from flyte.types._converters import Converter
from flyte.types._nodes.base import Node
from flyte.types._nodes.choices import LiteralNode
from flyte.types._nodes.scalars import DateNode

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType


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
            await self.write_tree(value, out)

    async def read(self, literal: Literal) -> Any:
        which = literal.scalar.primitive.WhichOneof("value")
        if which is None:
            return await super().read(literal)
        return self.node.unpack(_guess.primitive(literal.scalar.primitive, literal))


class BytesConverter(ScalarConverter):
    """Bytes; large ones travel without being copied."""

    def pieces(self, value: Any) -> _framing.Pieces | None:
        content = self.node.pack(value)
        return _framing.binary([content]) if len(content) >= _framing.WORTHWHILE else None

    async def from_buffer(self, view: memoryview) -> Any:
        payload = _framing.binary_payload(view)
        return await super().from_buffer(view) if payload is None else copies.to_bytes(payload)


class TextConverter(ScalarConverter):
    """Strings; large ones travel as UTF-8 that protobuf does not check once more."""

    def pieces(self, value: Any) -> _framing.Pieces | None:
        text = self.node.pack(value)
        if len(text) < _framing.WORTHWHILE:
            return None
        try:
            return _framing.text(text.encode())
        except UnicodeEncodeError:
            return None  # half of a surrogate pair, which travels as a tree (see `write`)

    async def from_buffer(self, view: memoryview) -> Any:
        payload = _framing.text_payload(view)
        return await super().from_buffer(view) if payload is None else str(payload, "utf-8")


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
