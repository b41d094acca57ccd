"""Protobuf messages: as Struct, which every client of Flyte reads, or as bytes where a Struct loses something.

A Struct is the message in protobuf's JSON: it knows no unknown fields, and a message such as Timestamp, whose JSON is
no object, cannot be one.  Inside of trees a message is its bytes with the name of its class.
"""

from typing import Any

from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import json_format, struct_pb2
from google.protobuf.message import DecodeError, Message

from flyte._kit import optional
from flyte.types import _families, _guess
from flyte.types._converters import Converter, struct
from flyte.types._nodes import hints, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema

TAG = "protobuf"
"""`Binary.tag` of a message's own bytes."""


class MessageNode(Node):
    """A generated class of messages."""

    kinds: frozenset[Kind] = frozenset({"ext"})
    tag = "Protobuf-Transformer"

    def __init__(self, cls: type[Message]) -> None:
        self.type = cls
        self.name = cls.DESCRIPTOR.name

    def pack(self, value: Any) -> Any:
        if not isinstance(value, self.type):
            raise self.mismatch(value)
        return value

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return self.parsed(tree)
        return self.pack(tree)

    def parsed(self, values: dict[str, Any]) -> Any:
        """The message of its JSON form."""
        try:
            return json_format.ParseDict(values, self.type())
        except json_format.ParseError as error:
            raise Mismatch(self.name, "fields that it does not have", str(error)) from error

    def fit(self, value: Any) -> Fit:
        return Fit.EXACT if isinstance(value, self.type) else Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        return {"title": self.name, _families.MESSAGE: full_name(self.type), "type": "object"}

    def converter(self) -> Converter:
        return MessageConverter(self)


class MessageConverter(Converter):
    """A message by itself."""

    node: MessageNode

    def _literal_type(self) -> types_pb2.LiteralType:
        name = struct({_families.MESSAGE: full_name(self.node.type)})
        return types_pb2.LiteralType(simple=types_pb2.STRUCT, metadata=name)

    async def write(self, value: Any, out: literals_pb2.Literal) -> None:
        message = self.node.pack(value)
        generic = self._generic(message)
        if generic is not None:
            out.scalar.generic.CopyFrom(generic)
            return
        out.scalar.binary.value = _bytes(message)
        out.scalar.binary.tag = TAG

    def _generic(self, message: Message) -> struct_pb2.Struct | None:
        """The message as a Struct; None when it would not come back from that as it is."""
        try:
            made = struct(json_format.MessageToDict(message))
            back = json_format.ParseDict(_guess.unstruct(made), self.node.type())
        except (json_format.Error, TypeError, ValueError, AttributeError):
            return None
        return made if _bytes(back) == _bytes(message) else None

    async def read(self, literal: literals_pb2.Literal) -> Any:
        binary = literal.scalar.binary
        if binary.tag == TAG:
            return _parsed(self.node.type, binary.value)
        if literal.scalar.HasField("generic"):
            return self.node.parsed(_guess.unstruct(literal.scalar.generic))
        return await super().read(literal)


def build(hint: Any, build: Build) -> Node | None:
    """The node of a class of messages; None for other classes of these packages."""
    cls = hints.normal(hint)
    return MessageNode(cls) if isinstance(cls, type) and issubclass(cls, Message) else None


def full_name(cls: type[Message]) -> str:
    """Where the class is imported from, as every Flyte SDK writes it."""
    return f"{cls.__module__}.{cls.__qualname__}"


def dumps(value: Any) -> bytes | None:
    """A message inside a tree; None for other objects."""
    if not isinstance(value, Message):
        return None
    cls = type(value)
    return trees.pack([cls.__module__, cls.__qualname__, _bytes(value)])


def loads(data: bytes) -> Any:
    """The message of such bytes; its class is imported."""
    module, name, content = trees.unpack(data)
    found: Any = optional.module(module, f"messages of type {name}")
    for part in name.split("."):
        found = getattr(found, part)
    return _parsed(found, content)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _parsed(cls: type[Message], data: bytes) -> Any:
    try:
        return cls.FromString(data)
    except DecodeError as error:
        raise Mismatch(
            cls.__qualname__, f"{len(data)} bytes", f"they cannot be read: {error}"
        ) from error
