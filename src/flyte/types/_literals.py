"""Which converter a node gets, and how each scalar fills its primitive."""

import datetime
from collections.abc import Callable
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte.types import _converters, _guess, _primitives, _registered, _tagged
from flyte.types._converters import Converter
from flyte.types._nodes import pickles
from flyte.types._nodes.base import Node
from flyte.types._nodes.choices import LiteralNode
from flyte.types._nodes.containers import DictNode, ListNode
from flyte.types._nodes.scalars import DateNode, PlainNode, TextNode
from flyte.types._nodes.unions import UnionNode

Literal = literals_pb2.Literal


def _put_none(node: Node, value: Any, out: Literal) -> None:
    node.pack(value)
    out.scalar.none_type.SetInParent()


def _put_bool(node: Node, value: Any, out: Literal) -> None:
    out.scalar.primitive.boolean = node.pack(value)


def _put_int(node: Node, value: Any, out: Literal) -> None:
    out.scalar.primitive.integer = node.pack(value)


def _put_float(node: Node, value: Any, out: Literal) -> None:
    out.scalar.primitive.float_value = node.pack(value)


def _put_str(node: Node, value: Any, out: Literal) -> None:
    out.scalar.primitive.string_value = node.pack(value)


def _put_bytes(node: Node, value: Any, out: Literal) -> None:
    out.scalar.binary.value = node.pack(value)


def _put_datetime(node: Node, value: datetime.datetime, out: Literal) -> None:
    text = node.pack(value)
    if value.tzinfo is not datetime.UTC or value.fold:
        out.metadata[_guess.MOMENT] = text
    instant = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    _put_span_parts(instant - _guess.EPOCH, out.scalar.primitive.datetime)


def _put_date(node: Node, value: datetime.date, out: Literal) -> None:
    node.pack(value)
    days = value.toordinal() - _guess.EPOCH.toordinal()
    _put_span_parts(datetime.timedelta(days=days), out.scalar.primitive.datetime)


def _put_timedelta(node: Node, value: datetime.timedelta, out: Literal) -> None:
    node.pack(value)
    _put_span_parts(value, out.scalar.primitive.duration)


def _put_span_parts(span: datetime.timedelta, out: Any) -> None:
    out.SetInParent()
    out.seconds = span.days * 86400 + span.seconds
    out.nanos = span.microseconds * 1000


_SCALARS: dict[str, tuple[types_pb2.SimpleType, Callable[[Any, Any, Literal], None]]] = {
    "none": (types_pb2.NONE, _put_none),
    "bool": (types_pb2.BOOLEAN, _put_bool),
    "int": (types_pb2.INTEGER, _put_int),
    "float": (types_pb2.FLOAT, _put_float),
    "str": (types_pb2.STRING, _put_str),
    "bytes": (types_pb2.BINARY, _put_bytes),
    "datetime": (types_pb2.DATETIME, _put_datetime),
    "date": (types_pb2.DATETIME, _put_date),
    "timedelta": (types_pb2.DURATION, _put_timedelta),
}


def build(node: Node) -> Converter:
    """The converter of a node; nodes without a literal of their own travel as trees."""
    if (own := node.converter()) is not None:
        return own
    found = (make(node) for node_type, make in _CONVERTERS if isinstance(node, node_type))
    return next((converter for converter in found if converter), None) or _converters.TreeConverter(
        node
    )


def _list(node: ListNode) -> Converter:
    return _converters.ListConverter(node, build(node.item))


def _map(node: DictNode) -> Converter | None:
    if node.key.tag != "str":
        return None
    return _converters.MapConverter(node, build(node.value))


def _union(node: UnionNode) -> Converter:
    return _tagged.UnionConverter(node, [build(member) for member in node.members])


def _enumerated(node: LiteralNode) -> Converter | None:
    """An enumeration of strings has a type of its own; one of numbers travels as its number."""
    if node.kinds == {"str"}:
        return _primitives.EnumConverter(node)
    return _primitives.ScalarConverter(node, *_SCALARS["int"]) if node.kinds == {"int"} else None


def _scalar(node: Node) -> Converter | None:
    if node.tag not in _SCALARS:
        return None
    tag = "date" if isinstance(node, DateNode) else node.tag
    converter = _SCALAR_CONVERTERS.get(tag, _primitives.ScalarConverter)
    return converter(node, *_SCALARS[node.tag])


_SCALAR_CONVERTERS: dict[str, type[_primitives.ScalarConverter]] = {
    "date": _primitives.DateConverter,
    "bytes": _primitives.BytesConverter,
    "str": _primitives.TextConverter,
}
"""Those that do more than to fill a primitive."""


_CONVERTERS: tuple[tuple[Any, Callable[[Any], Converter | None]], ...] = (
    (_registered.TransformedNode, _registered.TransformedConverter),
    (pickles.PickleNode, _converters.PickleConverter),
    (ListNode, _list),
    (DictNode, _map),
    (UnionNode, _union),
    (LiteralNode, _enumerated),
    (PlainNode | TextNode, _scalar),
)
"""Type of a node → maker of its converter; None means that it travels as a tree after all."""
