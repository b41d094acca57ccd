"""Values that do not fit are refused, and the message says where, what was expected, what was found, and what to do."""

import dataclasses
import datetime as dt
import enum
import logging
import threading
import typing
from typing import Any

import pytest

from flyte import errors
from flyte._kit.aio import drive
from flyte.types import FlytePickle, TypeTransformerFailedError, _engine
from flyte.types._nodes import pickles

NEW_YEAR = dt.datetime.fromisoformat("2026-01-01")
"""A naive moment."""


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    when: dt.datetime


@dataclasses.dataclass
class Shape:
    points: list[Point]


def refusal(value: Any, hint: Any) -> str:
    with pytest.raises(TypeTransformerFailedError) as caught:
        drive(_engine.to_literal(value, hint, "outputs.o0"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int),
        ("1", int),
        (1.0, int),
        (True, float),
        ("1.5", float),
        (1, str),
        (b"a", str),
        ("a", bytes),
        (1, bool),
        (None, int),
        (1, None),
        ("2026-01-01", dt.date),
        (NEW_YEAR, dt.date),
        (dt.date(2026, 1, 1), dt.datetime),
        ("red", Color),
        ("c", typing.Literal["a", "b"]),
        (1, typing.Literal[True]),
        ((1,), list[int]),
        ([1], tuple[int]),
        ((1, 2), tuple[int]),
        ([1], set[int]),
        ({1: 2}, dict[str, int]),
        ({"a": 1}, dict[int, int]),
        ({"points": []}, Shape),
        (10**400, float),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, hint: Any) -> None:
    assert refusal(value, hint).startswith("outputs.o0")


def test_the_message_names_place_expectation_finding_and_fix() -> None:
    assert refusal(Shape([Point(NEW_YEAR), Point("x")]), Shape) == (
        "outputs.o0.points[1].when: expected datetime, found str 'x'; convert the value, or change the type hint"
    )
    assert refusal({"a": [1, None]}, dict[str, list[int]]) == (
        "outputs.o0['a'][1]: expected int, found None; declare int | None"
    )
    assert refusal({"a": {"b": 1.5}}, dict[str, dict[str, int]] | None) == (
        "outputs.o0['a']['b']: expected int, found float 1.5; convert it with int(), or change the type hint"
    )
    assert "use one of 'red'" in refusal("blue", Color)


def test_the_error_is_what_callers_catch() -> None:
    with pytest.raises(errors.RuntimeDataValidationError) as caught:
        drive(_engine.to_literal("a", int, "inputs.x"))
    assert isinstance(caught.value, TypeError | ValueError | AssertionError)
    assert caught.value.code == "DataValidationError"
    assert caught.value.path == "inputs.x"


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)

    assert "contains itself" in refusal(loop, list)
    assert "contains itself" in refusal(loop, Any)


def test_a_literal_of_another_type_is_refused() -> None:
    literal = drive(_engine.to_literal("a", str))

    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.x: expected int, found str 'a'"):
        drive(_engine.to_python(literal, int, "inputs.x"))


class Model:
    def __init__(self, weights: list[float]) -> None:
        self.weights = weights


def test_the_last_resort_is_a_pickle_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    pickles.warn.cache_clear()
    with caplog.at_level(logging.WARNING, logger="flyte"):
        for _ in range(3):
            literal = drive(_engine.to_literal(Model([1.5]), Model))

    assert drive(_engine.to_python(literal, Model)).weights == [1.5]
    assert literal.scalar.binary.tag == "pickle"
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "type Model has no transformer"
    ]


def test_a_pickle_that_was_asked_for_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    pickles.warn.cache_clear()
    literal = drive(_engine.to_literal({"m": [Model([2.5])]}, dict[str, list[FlytePickle[Model]]]))
    arrived = drive(_engine.to_python(literal, dict[str, list[FlytePickle[Model]]]))

    assert arrived["m"][0].weights == [2.5]
    assert not caplog.records


def test_what_no_pickle_can_hold_is_refused() -> None:
    assert "cannot be pickled" in refusal(threading.Lock(), FlytePickle)
    assert "cannot be pickled" in refusal([threading.Lock()], Any)
    assert refusal(3, Model).startswith("outputs.o0: expected Model, found int 3")


async def test_a_pickle_has_an_address_of_its_own() -> None:
    address = await FlytePickle.to_pickle({"a": (1, 2)})

    assert address.startswith("data:")
    assert await FlytePickle.from_pickle(address) == {"a": (1, 2)}
    with pytest.raises(ValueError, match="was not made by"):
        await FlytePickle.from_pickle("s3://bucket/key")
