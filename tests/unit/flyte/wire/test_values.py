"""Inputs and outputs of actions as messages, and the identity of inputs."""

import dataclasses
from typing import Any, NamedTuple

import pytest
from flyteidl2.task import common_pb2

from flyte import errors
from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._wire import interfaces, values


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Split(NamedTuple):
    train: list[int]
    score: float


def one(n: int, p: Point = Point(1, 2.0), names: list[str] | None = None) -> Point: ...  # noqa: B008
def nothing() -> None: ...
def two() -> tuple[int, str]: ...
def alone() -> tuple[int]: ...
def named() -> Split: ...
def untyped(x): ...


def interface(func: Any) -> NativeInterface:
    return NativeInterface.from_callable(func)


def through_bytes(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


def test_arguments_travel_in_the_order_of_the_interface() -> None:
    of = interface(one)
    message = drive(
        values.inputs(of, {"names": ["a"], "n": 1, "p": Point(3, 4.0)}, context={"k": "v"})
    )

    assert [literal.name for literal in message.literals] == ["n", "p", "names"]
    arrived = through_bytes(message)
    assert drive(values.arguments(of, arrived)) == {"n": 1, "p": Point(3, 4.0), "names": ["a"]}
    assert values.context(arrived) == {"k": "v"}


def test_a_missing_input_takes_its_default() -> None:
    message = drive(values.inputs(interface(one), {"n": 1}))

    assert drive(values.arguments(interface(one), message)) == {
        "n": 1,
        "p": Point(1, 2.0),
        "names": None,
    }


def test_wrong_inputs_are_refused() -> None:
    of = interface(one)
    with pytest.raises(errors.TaskInputError, match="no input 'm'; use one of: n, p, names"):
        drive(values.inputs(of, {"m": 1}))
    with pytest.raises(errors.TaskInputError, match="input 'n' is missing"):
        drive(values.arguments(of, common_pb2.Inputs()))
    with pytest.raises(errors.TaskInputError, match="no input 'zz'"):
        drive(
            values.arguments(of, common_pb2.Inputs(literals=[common_pb2.NamedLiteral(name="zz")]))
        )
    with pytest.raises(
        errors.RuntimeDataValidationError, match=r"inputs\.p\.x: expected int, found str 'a'"
    ):
        drive(values.inputs(of, {"n": 1, "p": Point("a", 1.0)}))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("func", "returned", "names"),
    [
        (nothing, None, []),
        (one, Point(1, 2.0), ["o0"]),
        (two, (1, "a"), ["o0", "o1"]),
        (alone, (1,), ["o0"]),
        (named, Split([1], 0.5), ["train", "score"]),
        (untyped, {"any": (1, 2)}, ["o0"]),
    ],
)
def test_a_caller_gets_what_the_function_returned(
    func: Any, returned: Any, names: list[str]
) -> None:
    of = interface(func)
    message = through_bytes(drive(values.outputs(of, returned)))

    assert list(drive(values.named(of, message))) == names
    arrived = drive(values.returned(of, message))
    assert (arrived, type(arrived)) == (returned, type(returned))


def test_wrong_outputs_are_refused() -> None:
    with pytest.raises(
        errors.RuntimeDataValidationError, match=r"outputs\.o1: expected str, found int 2"
    ):
        drive(values.outputs(interface(two), (1, 2)))
    with pytest.raises(errors.RuntimeDataValidationError, match="2 values"):
        drive(values.outputs(interface(two), (1, "a", 3)))
    with pytest.raises(
        errors.RuntimeDataValidationError, match=r"outputs\.o0: .*did not write this output"
    ):
        drive(values.returned(interface(one), common_pb2.Outputs()))


def test_values_beyond_the_limit_are_refused_and_the_largest_is_named() -> None:
    with pytest.raises(
        errors.InlineIOMaxBytesBreached,
        match=r"inputs\.names, has 1,\d{3}\).*is 100; pass 'names' as a",
    ):
        drive(values.inputs(interface(one), {"n": 1, "names": ["x" * 1000]}, limit=100))
    assert drive(values.outputs(interface(two), (1, "a"), limit=100)).literals


def test_outputs_are_readable_without_the_tasks_code() -> None:
    of = interface(one)
    message = drive(values.outputs(of, Point(1, 2.0)))

    guessed = drive(values.named(interfaces.native(interfaces.typed(of)), message))["o0"]

    assert (guessed.x, guessed.y) == (1, 2.0)
