"""What goes in comes out: equal, of the same type, for every type and after a trip through bytes."""

import dataclasses
import datetime as dt
import decimal
import typing
import uuid
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from flyteidl2.core import literals_pb2
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import (
    FAMILIES,
    Color,
    Level,
    Mode,
    Odd,
    Pair,
    Point,
    Sample,
    Settings,
    UserId,
    everything,
    same,
    samples,
)

from flyte._kit.aio import drive
from flyte.types import _engine

NEW_YEAR = dt.datetime.fromisoformat("2026-01-01")
"""A naive moment."""

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def travelled(value: Any, hint: Any) -> Any:
    """A value after its trip over the wire; nothing in it may wait."""
    literal = drive(_engine.to_literal(value, hint))
    arrived = literals_pb2.Literal.FromString(literal.SerializeToString())
    return drive(_engine.to_python(arrived, hint))


@dataclasses.dataclass(frozen=True, slots=True)
class Path3:
    points: list[Point]
    tags: set[str] = dataclasses.field(default_factory=set)
    when: dt.datetime | str | None = None
    blob: bytes = b""
    box: tuple[int, str] = (0, "")
    color: Color = Color.RED


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, None),
        (2**200, int),
        (-(2**63) - 1, int),
        (float("inf"), float),
        ("lone \ud800 surrogate", str),
        ("", str),
        (b"\x00\xff", bytes),
        (NEW_YEAR, dt.datetime),
        (dt.datetime.fromisoformat("9999-12-31T23:59:59.999999"), dt.datetime),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime),
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), dt.datetime),
        (dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), dt.datetime),
        (dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), dt.datetime),
        (dt.date.min, dt.date),
        (dt.date(2026, 1, 1), dt.date | dt.datetime),
        (NEW_YEAR, dt.date | dt.datetime),
        (dt.timedelta.min, dt.timedelta),
        (dt.timedelta.max, dt.timedelta),
        (dt.time(1, 2, 3, tzinfo=dt.UTC), dt.time),
        (decimal.Decimal("1.10"), decimal.Decimal),
        (uuid.UUID(int=7), uuid.UUID),
        (complex(1, -2), Any),
        ({"b": 1, "a": 2}, dict[str, int]),
        ({1: "a", -2: "b"}, dict[int, str]),
        ({(1, 2): 3}, dict[tuple[int, int], int]),
        ({dt.date(2026, 1, 1): 1}, dict[dt.date, int]),
        ((1, "a", None), tuple[int, str, None]),
        ((), tuple[()]),
        ((1, 2, 3), tuple[int, ...]),
        ({1, 2}, set[int]),
        (frozenset({"a", (1, 2)}), frozenset[str | tuple[int, int]]),
        (Color.GREEN, Color),
        (Level.HIGH, Level),
        (Mode.READ | Mode.WRITE, Mode),
        (Odd.PAIR, Odd),
        (Odd.NOTHING, Odd),
        ("a", typing.Literal["a", "b"]),
        (True, typing.Literal[1, True, "x"]),
        (Color.RED, typing.Literal[Color.RED, "red"]),
        (b"b", typing.Literal[b"b", "a"]),
        (UserId(5), UserId),
        (3, typing.Annotated[int, "a comment", []]),
        (Pair(1), Pair),
        ({"name": "n"}, Settings),
        ((1, 2), Sequence[int]),
        ([1, 2], Sequence[int]),
        ({"a": 1}, Mapping[str, int]),
        ([1, "a", (2,), {3}, None], list),
        ({1: 2, "a": (1, 2)}, dict),
        ((1, [2]), tuple),
        ({"when": NEW_YEAR, 5: 2**70, "t": (1, {2})}, Any),
        (Path3([Point(1), Point(2, -0.0)], {"b", "a"}, "2026-01-01", b"\xff"), Path3),
        (Path3([], when=dt.datetime(2026, 1, 1, tzinfo=BERLIN)), Path3),
    ],
)
def test_a_value_comes_back_as_it_was(value: Any, hint: Any) -> None:
    assert same(travelled(value, hint), value)


@pytest.mark.parametrize("value", [1, 1.0, True, None, "1", b"1", [1], (1,), {"a": 1}])
def test_a_union_returns_the_member_that_went_in(value: Any) -> None:
    hint = int | float | bool | str | bytes | list[int] | tuple[int, ...] | dict[str, int] | None

    assert same(travelled(value, hint), value)


@dataclasses.dataclass
class Cat:
    name: str


@dataclasses.dataclass
class Dog:
    name: str


@dataclasses.dataclass
class Holder:
    items: list[int | str | dt.date | dt.datetime | Cat | Dog | list[Cat] | list[Dog] | None]


@pytest.mark.parametrize(
    "value",
    [
        1,
        "2026-01-01",
        dt.date(2026, 1, 1),
        NEW_YEAR,
        Cat("a"),
        Dog("a"),
        [Cat("a")],
        [Dog("a")],
        None,
    ],
)
def test_members_of_the_same_form_are_told_apart(value: Any) -> None:
    assert same(
        travelled(
            value, Cat | Dog | list[Cat] | list[Dog] | int | str | dt.date | dt.datetime | None
        ),
        value,
    )
    assert same(travelled(Holder([value]), Holder), Holder([value]))


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_family_comes_back(family: str, data: st.DataObject) -> None:
    sample = data.draw(samples(family))

    assert same(travelled(sample.value, sample.hint), sample.value)


@given(everything())
def test_everything_comes_back_nested(sample: Sample) -> None:
    assert same(travelled(sample.value, sample.hint), sample.value)


def test_an_int_for_a_float_arrives_as_a_float() -> None:
    assert same(travelled(3, float), 3.0)
    assert same(travelled(Point(1, 2), Point), Point(1, 2.0))
    assert same(travelled([1, 2.5], list[float]), [1.0, 2.5])


def test_subclasses_of_scalars_arrive_as_the_scalar() -> None:
    class Celsius(float):
        pass

    assert same(travelled(Celsius(3.5), float), 3.5)
    assert same(travelled(Level.HIGH, int), 2)


def test_equal_sets_have_equal_bytes() -> None:
    one, other = {f"k{i}" for i in range(50)}, {f"k{i}" for i in reversed(range(50))}

    assert drive(_engine.to_literal(one, set[str])) == drive(_engine.to_literal(other, set[str]))
    assert drive(_engine.to_literal(one, Any)) == drive(_engine.to_literal(other, Any))


def test_the_bytes_of_a_union_do_not_depend_on_what_was_seen_before() -> None:
    """`int | str` equals `str | int` in Python, but their members are numbered differently."""
    one, other = tuple[dt.datetime | str], tuple[str | dt.datetime]
    assert one == other

    def written(hint: Any) -> Any:
        return drive(_engine.to_literal((NEW_YEAR,), hint))

    first = written(one), written(other)
    _engine._forget()
    second = written(other), written(one)
    assert first == second[::-1]
    assert first[0] != first[1]
    assert _engine.literal_type(int | str) != _engine.literal_type(str | int)
