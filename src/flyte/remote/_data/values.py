"""Inputs and outputs of an action, as Python values."""

from collections import UserDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from flyteidl2.task import common_pb2

from flyte.remote._common import ToJSONMixin


class ActionInputs(UserDict[str, Any], ToJSONMixin):
    """Inputs of an action: a dictionary from names to values.

    Example:
        >>> run.inputs()
        ActionInputs(folds=3)
    """

    def __init__(self, pb2: common_pb2.Inputs | None, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.pb2 = pb2

    def __repr__(self) -> str:
        return f"ActionInputs({_pairs(self.data)})"


class ActionOutputs(tuple[Any, ...], ToJSONMixin):
    """Outputs of an action: a tuple that also knows the names (`o0`, `o1`, … unless the task declares its own).

    Example:
        >>> outputs = run.outputs()
        >>> outputs
        ActionOutputs(o0=37.5)
        >>> outputs[0] == outputs.o0
        True
    """

    fields: tuple[str, ...]

    def __new__(
        cls,
        pb2: common_pb2.Outputs | None,
        data: Sequence[Any],
        fields: Sequence[str] | None = None,
    ) -> "ActionOutputs":
        made = super().__new__(cls, data)
        made.pb2 = pb2
        made.fields = tuple(fields) if fields else tuple(f"o{i}" for i in range(len(made)))
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.pb2, tuple(self), self.fields

    @cached_property
    def named_outputs(self) -> dict[str, Any]:
        """The values by name."""
        return dict(zip(self.fields, self, strict=True))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self.fields:
            return self[self.fields.index(name)]
        raise AttributeError(
            f"there is no output {name!r}, only: {', '.join(self.fields) or 'none'}"
        )

    def __repr__(self) -> str:
        return f"ActionOutputs({_pairs(self.named_outputs)})"


def _pairs(named: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in named.items())
