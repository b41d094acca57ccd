"""Classes whose hints are text: `from __future__ import annotations`, and names that are defined later."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypedDict, TypeVar

import pydantic
import pytest
from flyteidl2.core import literals_pb2
from tests.strategies import same

from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._wire import values
from flyte.types import TypeTransformerFailedError, _engine

T = TypeVar("T")


@dataclass
class Early(Generic[T]):
    value: T
    later: Later | None = None
    numbers: list[T] = field(default_factory=list)


@dataclass
class Later:
    name: str
    pair: Pair
    options: Options | None = None
    again: list[Later] = field(default_factory=list)


class Pair(NamedTuple):
    number: int
    model: Model


class Options(TypedDict, total=False):
    size: typing.Required[int]
    more: list[Later]


class Model(pydantic.BaseModel):
    n: int
    inner: Model | None = None


MODEL = Model(n=1, inner=Model(n=2))
LATER = Later("l", Pair(1, MODEL), {"size": 1, "more": [Later("m", Pair(2, MODEL))]})


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Early(1, LATER, [2]), Early[int]),
        (Early("a", None, ["b"]), Early[str]),
        (LATER, Later),
        (Pair(1, MODEL), Pair),
        ({"size": 1}, Options),
        (MODEL, Model),
    ],
)
def test_names_are_found_when_they_are_needed(value: object, hint: object) -> None:
    literal = drive(_engine.to_literal(value, hint))
    arrived = literals_pb2.Literal.FromString(literal.SerializeToString())

    assert same(drive(_engine.to_python(arrived, hint)), value)
    _engine.literal_type(hint)


def test_a_parameter_of_a_generic_class_is_checked() -> None:
    with pytest.raises(
        TypeTransformerFailedError, match=r"numbers\[0\]: expected int, found str 'b'"
    ):
        drive(_engine.to_literal(Early(1, None, ["b"]), Early[int]))


def two() -> Pair:
    return Pair(1, MODEL)


def both() -> tuple[int, list[Later]]:
    return 1, [LATER]


@pytest.mark.parametrize(("function", "names"), [(two, ["number", "model"]), (both, ["o0", "o1"])])
def test_several_outputs_come_back_as_they_were_returned(
    function: typing.Any, names: list[str]
) -> None:
    interface = NativeInterface.from_callable(function)

    outputs = drive(values.outputs(interface, function()))

    assert [output.name for output in outputs.literals] == names
    assert same(drive(values.returned(interface, outputs)), function())
