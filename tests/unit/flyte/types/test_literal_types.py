"""The wire's types, as the public protocol has them; and reading literals without the classes behind them."""

import dataclasses
import datetime as dt
import decimal
import enum
import typing
import uuid
from typing import Any

import pytest
from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import json_format, struct_pb2

from flyte._kit.aio import drive
from flyte.types import _engine, literal_string_repr


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Inner:
    z: list[int]


@dataclasses.dataclass
class Outer:
    inner: Inner
    name: str = "n"


SIMPLE = types_pb2.LiteralType


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, SIMPLE(simple=types_pb2.INTEGER)),
        (float, SIMPLE(simple=types_pb2.FLOAT)),
        (str, SIMPLE(simple=types_pb2.STRING)),
        (bool, SIMPLE(simple=types_pb2.BOOLEAN)),
        (None, SIMPLE(simple=types_pb2.NONE)),
        (bytes, SIMPLE(simple=types_pb2.BINARY)),
        (dt.datetime, SIMPLE(simple=types_pb2.DATETIME)),
        (dt.timedelta, SIMPLE(simple=types_pb2.DURATION)),
        (dict, SIMPLE(simple=types_pb2.STRUCT)),
        (Level, SIMPLE(simple=types_pb2.INTEGER)),
        (Color, SIMPLE(enum_type=types_pb2.EnumType(values=["red", "blue"]))),
        (typing.Literal["a", "b"], SIMPLE(enum_type=types_pb2.EnumType(values=["a", "b"]))),
        (list[int], SIMPLE(collection_type=SIMPLE(simple=types_pb2.INTEGER))),
        (dict[str, float], SIMPLE(map_value_type=SIMPLE(simple=types_pb2.FLOAT))),
    ],
)
def test_plain_types_have_the_protocols_own_words(
    hint: Any, expected: types_pb2.LiteralType
) -> None:
    assert _engine.literal_type(hint) == expected


def test_optional_is_a_union_with_none() -> None:
    variants = _engine.literal_type(int | None).union_type.variants

    assert [(variant.simple, variant.structure.tag) for variant in variants] == [
        (types_pb2.INTEGER, "int"),
        (types_pb2.NONE, "none"),
    ]


def test_a_date_is_a_tagged_datetime() -> None:
    literal_type = _engine.literal_type(dt.date)

    assert (literal_type.simple, literal_type.structure.tag) == (types_pb2.DATETIME, "date")


def test_a_dataclass_is_a_struct_with_its_schema() -> None:
    literal_type = _engine.literal_type(Outer)

    assert literal_type.simple == types_pb2.STRUCT
    assert literal_type.structure.tag == "Object-Dataclass-Transformer"
    assert json_format.MessageToDict(literal_type.metadata) == {
        "title": "Outer",
        "type": "object",
        "properties": {
            "inner": {"$ref": "#/$defs/Inner"},
            "name": {"type": "string", "default": "n"},
        },
        "required": ["inner"],
        "propertyOrder": ["inner", "name"],
        "$defs": {
            "Inner": {
                "title": "Inner",
                "type": "object",
                "properties": {"z": {"type": "array", "items": {"type": "integer"}}},
                "required": ["z"],
            }
        },
    }


def test_a_union_literal_carries_its_members_type() -> None:
    literal = drive(_engine.to_literal(1.5, int | float))

    assert literal.scalar.union.type.simple == types_pb2.FLOAT
    assert literal.scalar.union.type.structure.tag == "float"
    assert literal.scalar.union.value.scalar.primitive.float_value == 1.5


@pytest.mark.parametrize(
    ("hint", "guessed"),
    [
        (int, int),
        (list[dict[str, float]], list[dict[str, float]]),
        (int | None, int | None),
        (dt.date, dt.date),
        (dt.datetime | None, dt.datetime | None),
        (Color, typing.Literal["red", "blue"]),
        (tuple[int, str], tuple[int, str]),
        (tuple[int, ...], tuple[int, ...]),
        (frozenset[uuid.UUID], frozenset[uuid.UUID]),
        (decimal.Decimal, decimal.Decimal),
        (dict[int, dt.time], dict[int, dt.time]),
        (dict, dict),
        (list, list[Any]),
        (Any, Any),
        (object, Any),
        (type(typing), Any),
    ],
)
def test_a_hint_is_guessed_from_the_wires_type(hint: Any, guessed: Any) -> None:
    assert _engine.guess(_engine.literal_type(hint)) == guessed


@pytest.mark.parametrize(
    ("value", "hint", "plain"),
    [
        (Outer(Inner([1])), Outer, {"inner": {"z": [1]}, "name": "n"}),
        ([Outer(Inner([]))], list[Outer] | None, [{"inner": {"z": []}, "name": "n"}]),
        (Color.RED, Color, "red"),
        ((1, dt.date(2026, 1, 1)), tuple[int, dt.date], [1, "2026-01-01"]),
        ({"b": None, "a": 1}, dict[str, int | None], {"b": None, "a": 1}),
        (dt.timedelta(seconds=1.5), dt.timedelta, dt.timedelta(seconds=1.5)),
        (b"raw", bytes, b"raw"),
    ],
)
def test_values_are_shown_without_their_classes(value: Any, hint: Any, plain: Any) -> None:
    literal = drive(_engine.to_literal(value, hint))

    assert literal_string_repr({"x": literal}) == {"x": plain}


def test_a_struct_of_another_writer_is_read_as_a_dataclass() -> None:
    struct = struct_pb2.Struct()
    struct.update({"inner": {"z": [1, 2]}, "name": "x"})
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(generic=struct))

    assert drive(_engine.to_python(literal, Outer)) == Outer(Inner([1, 2]), "x")


def test_a_union_of_another_writer_is_read_by_tag_or_form() -> None:
    literal = drive(_engine.to_literal(7, int | str))
    literal.scalar.union.type.ClearField("structure")

    assert drive(_engine.to_python(literal, str | int)) == 7
    assert drive(_engine.to_python(literal.scalar.union.value, str | int)) == 7


def test_an_offloaded_value_says_where_it_is() -> None:
    literal = literals_pb2.Literal()
    literal.offloaded_metadata.uri = "s3://b/k"

    with pytest.raises(TypeError, match="s3://b/k"):
        drive(_engine.to_python(literal, int))
