"""Signatures as data."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from flyte import errors
from flyte._interface import NativeInterface


class Fit(NamedTuple):
    score: float
    name: str


def outputs_of(returns: Any) -> dict[str, Any]:
    def function() -> returns: ...

    return NativeInterface.from_callable(function).outputs


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        (None, {}),
        (int, {"o0": int}),
        (tuple[int, str], {"o0": int, "o1": str}),
        (tuple[int], {"o0": int}),
        (tuple[int, ...], {"o0": tuple[int, ...]}),
        (tuple, {"o0": tuple}),
        (Fit, {"score": float, "name": str}),
        (int | None, {"o0": int | None}),
    ],
)
def test_outputs_are_named_as_on_the_wire(returns: Any, expected: dict[str, Any]) -> None:
    assert outputs_of(returns) == expected


def test_a_missing_hint_means_any_and_loses_nothing() -> None:
    def function(x, y=2): ...

    interface = NativeInterface.from_callable(function)
    assert interface.inputs == {"x": (Any, NativeInterface.no_default), "y": (Any, 2)}
    assert interface.outputs == {"o0": Any}


def test_forward_references_are_resolved() -> None:
    def function(fit: "Fit") -> "list[Fit]": ...

    interface = NativeInterface.from_callable(function)
    assert interface.get_input_types() == {"fit": Fit}
    assert interface.outputs == {"o0": list[Fit]}


def test_unknown_forward_reference_is_named() -> None:
    def function(x: "Missing") -> int: ...  # noqa: F821

    with pytest.raises(errors.DefinitionError, match=r"function.*'Missing'.*define or import"):
        NativeInterface.from_callable(function)


def test_inputs_need_names() -> None:
    def variadic(*xs: int) -> None: ...
    def keywords(**xs: int) -> None: ...
    def positional(x: int, /) -> None: ...

    for function in (variadic, keywords, positional):
        with pytest.raises(errors.DefinitionError, match=function.__name__):
            NativeInterface.from_callable(function)


def train(rate: float, folds: int = 3, *, seed: int = 0) -> Fit: ...


interface = NativeInterface.from_callable(train)


def test_bind_fills_defaults_in_the_order_of_the_signature() -> None:
    bound = interface.bind((0.1,), {"seed": 7}, what="train")
    assert list(bound.items()) == [("rate", 0.1), ("folds", 3), ("seed", 7)]


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((), {}, "train needs a value for 'rate'"),
        ((1,), {"fold": 2}, "train has no input 'fold'.*rate, folds, seed"),
        ((1,), {"rate": 2}, "'rate' was given by position and by name"),
        ((1, 2, 3), {}, "at most 2 inputs by position, but 3"),
    ],
)
def test_bind_names_what_is_wrong(
    args: tuple[Any, ...], kwargs: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(errors.TaskInputError, match=complaint):
        interface.bind(args, kwargs, what="train")


@pytest.mark.parametrize(
    ("returns", "value", "named"),
    [
        (None, None, {}),
        (int, 3, {"o0": 3}),
        (tuple[int], (3,), {"o0": 3}),
        (tuple[int, str], (3, "a"), {"o0": 3, "o1": "a"}),
        (Fit, Fit(0.5, "a"), {"score": 0.5, "name": "a"}),
        (tuple[int, ...], (1, 2, 3), {"o0": (1, 2, 3)}),
    ],
)
def test_split_and_joined_are_inverse(returns: Any, value: Any, named: dict[str, Any]) -> None:
    def function() -> returns: ...

    made = NativeInterface.from_callable(function)
    assert made.split(value) == named
    again = made.joined(named)
    assert again == value
    assert type(again) is type(value)


def test_wrong_number_of_outputs_is_named() -> None:
    def function() -> tuple[int, str]: ...

    with pytest.raises(errors.RuntimeDataValidationError, match="tuple of 2 values"):
        NativeInterface.from_callable(function).split((1, "a", 3))


def test_helpers_may_have_any_signature() -> None:
    def helper(x: "Missing", *rest: int, **options: str) -> AsyncIterator[int]: ...  # noqa: F821

    made = NativeInterface.from_helper(helper)
    assert made.get_input_types() == {"x": Any, "rest": Any, "options": Any}


def test_defaults_that_only_the_control_plane_knows_are_left_out() -> None:
    made = NativeInterface.from_types(
        {"x": (int, NativeInterface.has_default)}, {}, default_inputs={"x": 3}
    )
    assert made.num_required_inputs() == 0
    assert made.bind((), {}, what="t") == {}
    with pytest.raises(errors.DefinitionError, match="'x'"):
        NativeInterface.from_types({"x": (int, NativeInterface.has_default)}, {})
