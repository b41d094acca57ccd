"""A hint guessed from the wire's type stands in for the original: to read with, to write with, to build a form from."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import typing
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pydantic
import pytest
from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import FAMILIES, Sample, Tree, everything, same, samples

from flyte._kit.aio import drive
from flyte.types import TypeEngine, _engine
from flyte.types._nodes import hints
from flyte.types._nodes.records import UNSET


def wire(value: Any, hint: Any) -> literals_pb2.Literal:
    literal = drive(_engine.to_literal(value, hint))
    return literals_pb2.Literal.FromString(literal.SerializeToString())


def guessed(hint: Any) -> Any:
    literal_type = _engine.literal_type(hint)
    return _engine.guess(types_pb2.LiteralType.FromString(literal_type.SerializeToString()))


def by_way_of_the_guess(value: Any, hint: Any) -> Any:
    """A value read with the guessed hint, written with it, and read with its own."""
    stand_in = guessed(hint)
    arrived = drive(_engine.to_python(wire(value, hint), stand_in))
    return drive(_engine.to_python(wire(arrived, stand_in), hint))


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_what_is_written_with_the_guessed_hint_is_read_with_the_original(
    family: str, data: st.DataObject
) -> None:
    sample = data.draw(samples(family))

    arrived = by_way_of_the_guess(sample.value, sample.hint)

    # An enumeration is guessed as its values, so that in a union of both nothing tells it from plain strings.
    assert family == "unions" or same(arrived, sample.value)


@given(everything())
def test_every_type_has_a_schema_and_a_guess(sample: Sample) -> None:
    schema = TypeEngine.json_schema(sample.hint)

    assert json.loads(json.dumps(schema)) == schema
    assert guessed(sample.hint) is not None


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Leg:
    length: float
    color: Color = Color.RED


@dataclass
class Table:
    legs: list[Leg]
    name: str = "round"
    height: float = 2.0
    made: dt.date | None = None
    tags: dict[str, int] = field(default_factory=dict)
    best: Leg | None = None


def test_a_record_becomes_a_dataclass_of_the_same_fields() -> None:
    stand_in = guessed(Table)
    leg = typing.get_args(stand_in.__dataclass_fields__["legs"].type)[0]

    fields = {each.name: each.type for each in dataclasses.fields(stand_in)}
    assert stand_in.__name__ == "Table"
    assert list(fields) == ["legs", "name", "height", "made", "tags", "best"]
    assert fields["made"] == dt.date | None
    assert fields["best"] == leg | None
    assert {each.name: each.type for each in dataclasses.fields(leg)} == {
        "length": float,
        "color": typing.Literal["red", "blue"],
    }
    made = stand_in(legs=[leg(length=1.5)])
    assert (made.name, made.height, made.made) == ("round", 2.0, None)


def test_what_is_left_out_of_a_guessed_record_is_the_original_s_default() -> None:
    stand_in = guessed(Table)

    made = stand_in(legs=[])

    assert made.tags is UNSET
    assert repr(UNSET) == "<unset>"
    assert drive(_engine.to_python(wire(made, stand_in), Table)) == Table([])


def test_the_same_schema_gives_the_same_class() -> None:
    assert guessed(Table) is guessed(Table)
    assert guessed(list[Table]) == list[guessed(Table)]
    leg = guessed(Table).__dataclass_fields__["legs"].type
    assert guessed(list[Leg]) == leg
    value = Table([Leg(1.0)])
    assert by_way_of_the_guess(value, Table) == value


def test_a_record_that_contains_itself_has_dicts_inside() -> None:
    stand_in = guessed(Tree)

    types = {each.name: each.type for each in dataclasses.fields(stand_in)}
    assert types == {"name": str, "children": list[dict], "parent": dict | None}


class Pair(typing.NamedTuple):
    a: int
    b: str


class Options(typing.TypedDict):
    name: str
    size: typing.NotRequired[int]


def test_named_tuples_and_typed_dicts_are_guessed_as_such() -> None:
    pair, options = guessed(list[Pair]), guessed(list[Options])

    (pair_class,), (options_class,) = typing.get_args(pair), typing.get_args(options)
    assert pair_class._fields == ("a", "b")
    assert typing.is_typeddict(options_class)
    assert options_class.__required_keys__ == {"name"}


def test_members_of_a_union_that_look_alike_are_kept_apart() -> None:
    @dataclass
    class Cat:
        name: str

    @dataclass
    class Dog:
        name: str

    for value in (Cat("a"), Dog("a")):
        assert by_way_of_the_guess(value, Cat | Dog) == value
        assert by_way_of_the_guess([value], list[Cat | Dog]) == [value]
        assert by_way_of_the_guess((value,), tuple[Cat | Dog]) == (value,)


class Model(pydantic.BaseModel):
    n: typing.Annotated[int, pydantic.Field(gt=0, description="how many")]
    kind: typing.Literal["a", "b"] = "a"
    when: dt.datetime | None = None
    shares: dict[int, decimal.Decimal] = {}


def test_a_model_keeps_what_its_author_says_for_forms() -> None:
    schema = TypeEngine.json_schema(Model)

    assert schema["properties"]["n"]["description"] == "how many"
    assert schema["properties"]["n"]["exclusiveMinimum"] == 0
    assert schema["required"] == ["n"]
    stand_in = guessed(Model)
    value = Model(n=3, shares={1: decimal.Decimal("0.5")})
    assert by_way_of_the_guess(value, Model) == value
    assert stand_in(n=1).kind == "a"


@pytest.mark.parametrize(
    ("schema", "hint"),
    [
        ({"type": ["string", "null"]}, str | None),
        ({"oneOf": [{"type": "integer"}, {"type": "string", "format": "uuid"}]}, int | uuid.UUID),
        ({"allOf": [{"type": "integer"}]}, int),
        ({"const": "x"}, typing.Literal["x"]),
        ({"enum": [{"a": 1}]}, Any),
        ({"type": "object", "additionalProperties": True}, dict),
        ({"type": "object", "properties": {"not a name": {}}}, dict),
        ({"type": "object", "properties": {"class": {}}}, dict),
        ({"type": "array"}, list[Any]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, set[int]),
        ({"$ref": "#/$defs/Missing"}, dict),
        ({"type": "string", "format": "email"}, str),
        ({"format": "os.system"}, Any),
        ({"format": "flyte.io.remove"}, Any),
        ({}, Any),
    ],
)
def test_schemas_of_other_writers(schema: dict[str, Any], hint: Any) -> None:
    literal_type = types_pb2.LiteralType(simple=types_pb2.STRUCT)
    json_format.ParseDict({"x": 1, **schema}, literal_type.metadata)

    assert _engine.guess(literal_type) == hint


def test_arrays_files_and_tables_are_guessed_as_their_classes() -> None:
    blob, table = types_pb2.LiteralType(), types_pb2.LiteralType()
    blob.blob.format = "csv"
    table.structured_dataset_type.format = "parquet"

    assert guessed(np.ndarray) is np.ndarray
    assert guessed(list[np.float32]) == list[np.float32]
    assert _engine.guess(blob).__name__ == "File"
    assert hints.normal(_engine.guess(table)).__name__ == "DataFrame"


def test_every_hint_has_a_schema() -> None:
    assert TypeEngine.json_schema(int) == {"type": "integer"}
    assert TypeEngine.json_schema(Table | None)["anyOf"] == [
        {"$ref": "#/$defs/Table"},
        {"type": "null"},
    ]
    leg = TypeEngine.json_schema(guessed(Leg))
    assert leg["propertyOrder"] == ["length", "color"]
    assert leg["properties"]["color"]["enum"] == ["red", "blue"]
