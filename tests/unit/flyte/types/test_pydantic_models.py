"""Pydantic models: exact where they are plain, in their own form where their author says so."""

import datetime as dt
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic
import pytest

from flyte._kit.aio import drive
from flyte.types import TypeTransformerFailedError, _engine
from flyte.types._nodes import trees

NEW_YEAR = dt.datetime.fromisoformat("2026-01-01")
"""A naive moment."""

T = TypeVar("T")


def travelled(value: Any, hint: Any) -> Any:
    return drive(_engine.to_python(drive(_engine.to_literal(value, hint)), hint))


def from_tree(tree: Any, hint: Any) -> Any:
    literal = _engine.Literal()
    literal.scalar.binary.tag = trees.TAG
    literal.scalar.binary.value = trees.pack(tree)
    return drive(_engine.to_python(literal, hint, "inputs.m"))


class Inner(pydantic.BaseModel):
    when: str | dt.datetime
    data: bytes = b"\xff"
    pair: tuple[int, str] = (1, "a")


class Outer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)

    n: Annotated[int, pydantic.Field(gt=0, alias="N")]
    items: list[Inner] = []
    choice: Inner | dict[str, int] | None = None


class Box(pydantic.BaseModel, Generic[T]):
    value: T


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    a: int


class Node(pydantic.BaseModel):
    name: str
    children: list["Node"] = []


@pytest.mark.parametrize(
    "value",
    [
        Inner(when="2026-01-01"),
        Inner(when=NEW_YEAR),
        Outer(N=1, items=[Inner(when="x")], choice={"a": 1}),
        Outer(N=2, choice=Inner(when="x")),
        Box[int](value=1),
        Open(a=1, b="more", c=[1, 2]),
        Node(name="a", children=[Node(name="b")]),
    ],
)
def test_a_plain_model_comes_back_exactly(value: pydantic.BaseModel) -> None:
    arrived = travelled(value, type(value))

    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


def test_members_of_a_discriminated_union_travel_bare() -> None:
    class Cat(pydantic.BaseModel):
        kind: Literal["cat"] = "cat"

    class Dog(pydantic.BaseModel):
        kind: Literal["dog"] = "dog"

    class House(pydantic.BaseModel):
        pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]

    literal = drive(_engine.to_literal(House(pet=Dog()), House))

    assert trees.unpack(literal.scalar.binary.value) == {"pet": {"kind": "dog"}}
    assert drive(_engine.to_python(literal, House)) == House(pet=Dog())


class Encoded(pydantic.BaseModel):
    secret: pydantic.SecretStr = pydantic.SecretStr("s3cr3t")


class Shouting(pydantic.BaseModel):
    name: str

    @pydantic.field_serializer("name")
    def shout(self, name: str) -> str:
        return name.upper()


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Mail(pydantic.BaseModel):
    link: pydantic.HttpUrl
    data: pydantic.Base64Bytes


@pytest.mark.parametrize(
    "value",
    [
        Encoded(),
        Shouting(name="quiet"),
        Numbers([1, 2]),
        Mail(link=pydantic.HttpUrl("https://example.org/"), data=b"aGVsbG8="),
    ],
)
def test_a_model_with_a_form_of_its_own_keeps_its_values(value: pydantic.BaseModel) -> None:
    assert travelled(value, type(value)) == value


def test_a_special_field_is_written_as_its_model_writes_it() -> None:
    value = Mail(link=pydantic.HttpUrl("https://example.org/"), data=b"aGVsbG8=")

    tree = trees.unpack(drive(_engine.to_literal(value, Mail)).scalar.binary.value)

    assert tree["link"] == "https://example.org/"


def test_what_another_client_wrote_is_validated() -> None:
    assert from_tree({"n": 3}, Outer) == Outer(N=3)
    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.m\.n: .*greater than 0"):
        from_tree({"n": -3}, Outer)
    with pytest.raises(
        TypeTransformerFailedError, match=r"inputs\.m\.items\[0\]: .*no field 'when'"
    ):
        from_tree({"n": 3, "items": [{}]}, Outer)


def test_the_schema_is_pydantics_own() -> None:
    metadata = _engine.literal_type(Outer).metadata

    assert metadata["title"] == "Outer"
    assert metadata["properties"]["n"]["exclusiveMinimum"] == 0
    assert "Inner" in metadata["$defs"]


def test_a_model_inside_a_dataclass_brings_its_schema() -> None:
    from_dataclass = _engine.literal_type(list[Node] | None)

    assert from_dataclass.union_type.variants[0].collection_type.metadata["title"] == "Node"
