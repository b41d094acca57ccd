"""Reading what others declared: Python hints for wire types, and values of literals without any hint."""

import datetime
import functools
import json
import operator
import typing
from collections.abc import Callable
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import struct_pb2

from flyte.types import _families, _schemas
from flyte.types._nodes import pickles, times, trees
from flyte.types._nodes.base import Mismatch

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MOMENT = "datetime"
"""Key in `Literal.metadata` of a moment's exact text, where a Timestamp alone would lose something."""
ORDER = "key_order"
"""Key in `Literal.metadata` of the order of a map's keys (JSON), where it is not alphabetical."""

_SIMPLE: dict[int, Any] = {
    types_pb2.NONE: type(None),
    types_pb2.INTEGER: int,
    types_pb2.FLOAT: float,
    types_pb2.STRING: str,
    types_pb2.BOOLEAN: bool,
    types_pb2.DATETIME: datetime.datetime,
    types_pb2.DURATION: datetime.timedelta,
    types_pb2.BINARY: bytes,
    types_pb2.STRUCT: dict,
}


def guess(literal_type: types_pb2.LiteralType) -> Any:
    """The hint that describes a wire type best; what only its own class explains is `Any`."""
    match literal_type.WhichOneof("type"):
        case "simple":
            return _simple(literal_type)
        case "collection_type":
            return list[guess(literal_type.collection_type)]
        case "map_value_type":
            return dict[str, guess(literal_type.map_value_type)]
        case "union_type":
            variants = [guess(variant) for variant in literal_type.union_type.variants]
            return functools.reduce(operator.or_, variants) if Any not in variants else Any
        case "enum_type":
            return typing.Literal[tuple(literal_type.enum_type.values)]
        case _:
            is_pickle = literal_type.blob.format == pickles.FORMAT
            return (None if is_pickle else _families.guess(literal_type)) or Any


def _simple(literal_type: types_pb2.LiteralType) -> Any:
    if literal_type.simple == types_pb2.STRUCT and literal_type.HasField("metadata"):
        schema = unstruct(literal_type.metadata)
        return _schemas.guess(schema)
    tag = literal_type.structure.tag
    if tag == "date":
        return datetime.date
    return _families.named(tag) or _SIMPLE.get(literal_type.simple, Any)


def natural(literal: literals_pb2.Literal) -> Any:
    """The value of a literal by itself: numbers, strings, lists, dicts; records are dicts."""
    match literal.WhichOneof("value"):
        case "scalar":
            return _scalar(literal.scalar, literal)
        case "collection":
            return [natural(item) for item in literal.collection.literals]
        case "map":
            return {key: natural(literal.map.literals[key]) for key in keys(literal)}
        case "offloaded_metadata":
            raise offloaded(literal)
        case _:
            return None


def keys(literal: literals_pb2.Literal) -> list[str]:
    """The keys of a map literal in the order in which they were written."""
    written = literal.metadata.get(ORDER)
    if written is None:
        return sorted(literal.map.literals)
    return json.loads(written)


def offloaded(literal: literals_pb2.Literal) -> Mismatch:
    """The error for a literal that only says where its value is."""
    return Mismatch(
        "a value",
        f"a reference to {literal.offloaded_metadata.uri!r}",
        "download it first; this reader does no I/O",
    )


def _scalar(scalar: literals_pb2.Scalar, literal: literals_pb2.Literal) -> Any:
    which = scalar.WhichOneof("value")
    if which == "primitive":
        return primitive(scalar.primitive, literal)
    read = _SCALARS.get(which or "")
    return read(scalar) if read else None


_SCALARS: dict[str, Callable[[literals_pb2.Scalar], Any]] = {
    "binary": lambda scalar: binary(scalar.binary),
    "union": lambda scalar: natural(scalar.union.value),
    "generic": lambda scalar: unstruct(scalar.generic),
    "blob": lambda scalar: scalar.blob.uri,
    "structured_dataset": lambda scalar: scalar.structured_dataset.uri,
    "schema": lambda scalar: scalar.schema.uri,
    "error": lambda scalar: scalar.error.message,
}
"""How each kind of scalar reads; one that is not here means None."""


def primitive(value: literals_pb2.Primitive, literal: literals_pb2.Literal) -> Any:
    """The value of a primitive; `literal` is the one around it, whose metadata may say more."""
    which = value.WhichOneof("value")
    if which == "datetime":
        return moment(value, literal)
    if which == "duration":
        span = value.duration
        return datetime.timedelta(seconds=span.seconds, microseconds=span.nanos // 1000)
    return getattr(value, which) if which else None


def moment(value: literals_pb2.Primitive, literal: literals_pb2.Literal) -> datetime.datetime:
    """The moment of a primitive: as it was written, or in UTC."""
    text = literal.metadata.get(MOMENT)
    if text is not None:
        return times.datetime_of(text)
    stamp = value.datetime
    return EPOCH + datetime.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def binary(value: literals_pb2.Binary) -> Any:
    """The value of a binary, by its tag."""
    if value.tag == trees.TAG:
        return trees.plain(trees.unpack(value.value))
    if value.tag == pickles.TAG:
        return pickles.loads(value.value)
    return _families.binary(value.tag, value.value)


def unstruct(value: struct_pb2.Struct | struct_pb2.Value | struct_pb2.ListValue) -> Any:
    """A protobuf Struct as a tree.  It has doubles only, so whole numbers become int again."""
    if isinstance(value, struct_pb2.Struct):
        return {key: unstruct(item) for key, item in value.fields.items()}
    if isinstance(value, struct_pb2.ListValue):
        return [unstruct(item) for item in value.values]
    which = value.WhichOneof("kind")
    if which == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if which in ("struct_value", "list_value"):
        return unstruct(getattr(value, which))
    return None if which in (None, "null_value") else getattr(value, which)
