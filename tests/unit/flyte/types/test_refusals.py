"""Values that do not fit are refused, and the message says where, what was expected, what was found, and what to do."""

import dataclasses
import datetime as dt
import decimal
import enum
import logging
import os
import pathlib
import threading
import typing
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from flyteidl2.core import literals_pb2

from flyte import errors
from flyte._kit.aio import drive
from flyte.types import FlytePickle, TypeTransformerFailedError, _engine
from flyte.types._nodes import pickles, trees

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


@dataclasses.dataclass
class Ring:
    name: str
    after: "Ring | None" = None


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    inside: dict[str, Any] = {"a": 1}
    inside["self"] = (1, [inside])
    ring = Ring("a")
    ring.after = ring

    assert "contains itself" in refusal(loop, list)
    assert "contains itself" in refusal(loop, Any)
    assert "contains itself" in refusal(inside, dict)
    assert "contains itself" in refusal(ring, Ring)


def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (threading.Lock, "lock"),
        (_generator, "generator"),
        (pathlib.Path(os.devnull).open, "TextIOWrapper"),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_place(make: Callable[[], Any], named: str) -> None:
    culprit = make()
    try:
        message = refusal({"a": [1, ("x", {"when": culprit})]}, dict)
        assert message.startswith(
            "outputs.o0['a'][1][1]['when']: expected a value that can be stored"
        )
        assert named in message
        assert refusal([1, culprit], list).startswith("outputs.o0[1]: ")
        assert refusal(Bag([1, {2: culprit}]), Bag).startswith("outputs.o0.things[1][2]: ")
        assert refusal((0, [culprit]), tuple[int, Any]).startswith("outputs.o0[1][0]: ")
    finally:
        getattr(culprit, "close", str)()


@dataclasses.dataclass
class Bag:
    things: Any


@dataclasses.dataclass
class WithPath:
    name: str
    where: pathlib.Path


class PathModel(pydantic.BaseModel):
    where: pathlib.Path | None = None


class OwnFormPath(pydantic.BaseModel):
    where: list[pathlib.PurePosixPath] = []

    @pydantic.field_serializer("where")
    def shown(self, where: list[pathlib.PurePosixPath]) -> list[str]:
        return [str(each) for each in where]


@pytest.mark.parametrize(
    ("hint", "place"),
    [
        (pathlib.Path, ""),
        (pathlib.PurePath, ""),
        (pathlib.PosixPath, ""),
        (list[pathlib.Path] | None, ""),
        (WithPath, ".where"),
        (PathModel, ".where"),
        (OwnFormPath, ".where"),
    ],
)
def test_paths_are_refused_where_they_are_declared(hint: Any, place: str) -> None:
    with pytest.raises(
        TypeTransformerFailedError, match=r"flyte\.io\.File\.from_local\(path\)"
    ) as caught:
        _engine.literal_type(hint)
    assert caught.value.path.endswith(place)


def test_a_view_of_memory_is_refused() -> None:
    message = refusal({"a": (1, [memoryview(b"x")])}, dict)
    assert message.startswith("outputs.o0['a'][1][0]: expected a value that can be stored")
    assert "bytes()" in message


def test_a_value_of_many_levels_is_refused_and_not_recursed_into() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]

    assert "nested too deeply" in refusal(deep, Any)


def test_a_path_is_refused_as_a_value_too() -> None:
    message = refusal({"a": [pathlib.Path("/x")]}, dict)
    assert message.startswith(
        "outputs.o0['a'][0]: expected a value that can be stored, found PosixPath"
    )
    assert "flyte.io.File" in message
    assert "flyte.io.File" in refusal(pathlib.PureWindowsPath("x"), Any)


def test_complex_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeTransformerFailedError, match=r"declare tuple\[float, float\]"):
        _engine.literal_type(list[complex])


@pytest.mark.parametrize(
    ("hint", "tree", "message"),
    [
        (set[Any], [[1]], r"inputs\.x: expected set\[Any\], found list .*unhashable.*hashable"),
        (dict[list[int], int], {1: 1}, r"inputs\.x\[1\]: expected list\[int\], found int 1"),
        (
            tuple[int, str],
            [1],
            r"inputs\.x: expected tuple\[int, str\], found 1 items; give exactly 2",
        ),
        (tuple[()], [1], r"found 1 items; give exactly 0"),
        (Color, "blue", r"inputs\.x: expected Color, found str 'blue'; use one of 'red'"),
        (
            list[typing.Literal[1, 2]],
            [1, 3],
            r"inputs\.x\[1\]: expected Literal\[1, 2\], found int 3",
        ),
        (
            dict[str, Shape],
            {"a": {"points": [{"when": 5}]}},
            r"x\['a'\]\.points\[0\]\.when: expected datetime",
        ),
        (uuid.UUID, "no", r"inputs\.x: expected UUID, found str 'no'; it cannot be read"),
        (decimal.Decimal, "x", r"inputs\.x: expected Decimal"),
        (dt.time, "25:00", r"inputs\.x: expected time, found str '25:00'"),
        (dt.timedelta, "1 day", r"inputs\.x: expected timedelta, found str '1 day'.*ISO 8601"),
        (dt.timedelta, 1e300, r"inputs\.x: expected timedelta, found float 1e\+300; .*seconds"),
        (dt.timedelta, float("nan"), r"inputs\.x: expected timedelta, found float nan; .*seconds"),
        (
            dt.datetime,
            "2026-01-01T00:00:00[Mars/Base]",
            r"inputs\.x: expected datetime.*cannot be read",
        ),
        (int | dict[str, int], {"a": "b"}, r"inputs\.x\['a'\]: expected int, found str 'b'"),
    ],
)
def test_what_another_client_wrote_wrongly_is_refused_with_its_place(
    hint: Any, tree: Any, message: str
) -> None:
    literal = literals_pb2.Literal()
    literal.scalar.binary.tag = trees.TAG
    literal.scalar.binary.value = trees.pack(tree)

    with pytest.raises(TypeTransformerFailedError, match=message):
        drive(_engine.to_python(literal, hint, "inputs.x"))


@pytest.mark.parametrize("data", [b"\xc1", b"\x92\x01", b"\xc7\x01\x63\x00", b"\xc7\x01\x02\xc1"])
def test_data_that_is_no_tree_is_refused(data: bytes) -> None:
    literal = literals_pb2.Literal()
    literal.scalar.binary.tag = trees.TAG
    literal.scalar.binary.value = data

    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.x: expected msgpack data"):
        drive(_engine.to_python(literal, Any, "inputs.x"))


def test_a_subclass_that_would_lose_something_is_refused() -> None:
    class Precise(dt.datetime):
        nanosecond = 5

        def __eq__(self, other: object) -> bool:
            return getattr(other, "nanosecond", 0) == 5 and super().__eq__(other)

        __hash__ = dt.datetime.__hash__

    assert "would lose something" in refusal(Precise(2026, 1, 1), dt.datetime)


def test_hints_of_a_function_s_own_classes_must_be_found() -> None:
    """With `from __future__ import annotations` a class that is local to a function cannot be found by name."""
    scope: dict[str, Any] = {}
    exec(
        """
from __future__ import annotations
import dataclasses

def make():
    @dataclasses.dataclass
    class Hidden:
        x: int

    @dataclasses.dataclass
    class Holder:
        hidden: Hidden

    return Holder
""",
        scope,
    )
    with pytest.raises(TypeTransformerFailedError, match=r"Holder.*'Hidden'.*module's top level"):
        _engine.literal_type(scope["make"]())


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
