"""Types with a transformer of the user's own."""

from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte.types._converters import Converter
from flyte.types._nodes import hints, trees, waiting
from flyte.types._nodes.base import Definitions, Fit, Kind, Mismatch, Node, Schema
from flyte.types._transformer import TypeTransformer, TypeTransformerFailedError


class TransformedNode(Node):
    """Such a type inside of a record: its literal is embedded in the tree."""

    kinds: frozenset[Kind] = frozenset({"ext"})
    waits = True

    def __init__(self, transformer: TypeTransformer[Any], hint: Any) -> None:
        self.transformer = transformer
        self.hint = hint
        self.name = hints.show(hint)
        self.tag = transformer.name
        self.literal_type = transformer.get_literal_type(hint)

    def pack(self, value: Any) -> Any:
        return _EmbeddedLater(self, value)

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, trees.Arrived):
            return tree.value
        if isinstance(tree, trees.Embedded):
            literal = literals_pb2.Literal.FromString(tree.literal)
            raise trees.Waiting(lambda: self.to_python(literal))
        if self.fit(tree) is Fit.NO:
            raise self.mismatch(tree)
        return tree

    async def to_literal(self, value: Any) -> literals_pb2.Literal:
        """Ask the transformer; its complaints become ours."""
        try:
            self.transformer.assert_type(self.hint, value)
            made = self.transformer.to_literal(value, self.hint, self.literal_type)
            return await waiting.wait(made)
        except (TypeError, ValueError, AssertionError) as error:
            raise self._complaint(error) from error

    async def to_python(self, literal: literals_pb2.Literal) -> Any:
        """Ask the transformer; its complaints become ours."""
        try:
            if literal.scalar.HasField("binary") and literal.scalar.binary.tag == trees.TAG:
                return self.transformer.from_binary_idl(literal.scalar.binary, self.hint)
            return await waiting.wait(self.transformer.to_python_value(literal, self.hint))
        except (TypeError, ValueError, AssertionError) as error:
            raise self._complaint(error) from error

    def _complaint(self, error: Exception) -> Mismatch:
        text = error.message if isinstance(error, TypeTransformerFailedError) else str(error)
        return Mismatch(self.name, "a value that its transformer refuses", text)

    def fit(self, value: Any) -> Fit:
        if not self.transformer.isinstance_generic(value, self.hint):
            return Fit.NO
        return Fit.EXACT if type(value) is self.transformer.python_type else Fit.NEAR

    def schema(self, definitions: Definitions) -> Schema:
        return {"title": self.name}


class _EmbeddedLater(trees.Later):
    """The embedded literal of a value, once its transformer has made it."""

    def __init__(self, node: TransformedNode, value: Any) -> None:
        self._node = node
        self._value = value

    async def tree(self) -> Any:
        literal = await self._node.to_literal(self._value)
        embedded = trees.Embedded(literal.SerializeToString(deterministic=True))
        return trees.Identified(embedded, literal.hash) if literal.hash else embedded


class TransformedConverter(Converter):
    """Such a type by itself, or in a list, dict or union: its own literal."""

    node: TransformedNode

    def _literal_type(self) -> types_pb2.LiteralType:
        return self.node.literal_type

    async def write(self, value: Any, out: literals_pb2.Literal) -> None:
        out.CopyFrom(await self.node.to_literal(value))

    async def read(self, literal: literals_pb2.Literal) -> Any:
        if literal.scalar.HasField("union"):
            literal = literal.scalar.union.value
        return await self.node.to_python(literal)
