"""Values of the caller's classes for the types that are guessed from a deployed task's interface."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import pydantic
import pytest

from flyte import errors
from flyte._interface import NativeInterface
from flyte._wire import interfaces, values
from flyte._wire.deployed.fitting import fitted


class Mood(Enum):
    CALM = "calm"
    LOUD = "loud"


@dataclass
class Point:
    x: int
    y: float = 1.0


@dataclass
class Path:
    name: str
    points: list[Point] = field(default_factory=list[Point])


class Settings(pydantic.BaseModel):
    rate: float
    start: Point | None = None


class Spot(NamedTuple):
    x: int
    y: float


@dataclass
class Other:
    x: int
    z: int


async def deployed(
    path: Path, settings: Settings, by_name: dict[str, Point], mood: Mood, either: Point | int
) -> None: ...


def guessed() -> NativeInterface:
    return interfaces.native(interfaces.typed(NativeInterface.from_callable(deployed)))


def sent(**given: Any) -> dict[str, Any]:
    """The values as the deployed task reads them, with its own classes."""
    interface, own = guessed(), NativeInterface.from_callable(deployed)
    hints = interface.get_input_types()

    async def there_and_back() -> dict[str, Any]:
        made = {name: fitted(value, hints[name], f"inputs.{name}") for name, value in given.items()}
        message = await values.inputs(interface, made)
        return await values.arguments(own, message)

    return asyncio.run(there_and_back())


def test_values_of_own_classes_arrive_as_what_they_are() -> None:
    given = {
        "path": Path("p", [Point(1), Point(2, 3.0)]),
        "settings": Settings(rate=0.5, start=Point(4)),
        "by_name": {"a": Point(5)},
        "mood": Mood.LOUD,
        "either": Point(6),
    }
    assert sent(**given) == given


def test_mappings_and_named_tuples_are_records_too() -> None:
    arrived = sent(
        path={"name": "p", "points": [{"x": 1}]},
        settings={"rate": 1.0},
        by_name={"a": Spot(1, 2.0)},
        mood=Mood.CALM,
        either=3,
    )
    assert arrived["path"] == Path("p", [Point(1)])
    assert arrived["settings"] == Settings(rate=1.0)
    assert arrived["by_name"] == {"a": Point(1, 2.0)}
    assert arrived["either"] == 3


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Other(1, 2), "it has a field 'z' too many"),
        ({}, "it has no field 'x'"),
        ({"x": 1, "": 2}, "it has a field '' too many"),
    ],
)
def test_other_fields_are_refused_with_their_place(value: object, said: str) -> None:
    hint = guessed().get_input_types()["by_name"]
    with pytest.raises(errors.RuntimeDataValidationError) as refused:
        fitted({"a": value}, hint, "inputs.by_name")
    assert said in str(refused.value)
    assert "inputs.by_name['a']" in str(refused.value)


def test_what_is_no_record_is_left_to_the_writer() -> None:
    hints = guessed().get_input_types()
    assert fitted(7, hints["path"], "p") == 7
    assert fitted("text", hints["by_name"], "p") == "text"
    assert fitted(None, hints["either"], "p") is None
