"""A signature as data: names, types and defaults of inputs; names and types of outputs."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flyte import errors

Inputs = dict[str, tuple[Any, Any]]
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class NativeInterface:
    """What a task takes and gives, in Python's own types.

    Outputs are named as the wire names them: none for `-> None`; the field names of a NamedTuple;
    `o0`, `o1`, … for `tuple[A, B]`; `o0` for everything else.  A missing hint means `Any`.
    """

    no_default: ClassVar[Any] = inspect.Parameter.empty
    """Stands in `inputs` for "this input must be given"."""

    class has_default:  # noqa: N801 - an official name
        """Stands in `inputs` for a default that only the control plane knows."""

    inputs: Inputs
    """Type and default of each input, in the order of the signature."""
    outputs: dict[str, Any]
    docstring: str | None = None
    returns: Any = None
    """The return hint as a whole: it says how a caller gets the outputs (see `joined`)."""
    positional: int | None = None
    """How many inputs may be given by position (None: all)."""

    @classmethod
    def from_callable(cls, func: Callable[..., Any]) -> "NativeInterface":
        """The interface of a function; forward references are resolved.

        Raises:
            DefinitionError: for `*args`, `**kwargs` and positional-only parameters (inputs are
                passed by name), and for hints that name something unknown.
        """
        name = getattr(func, "__qualname__", repr(func))
        parameters = inspect.signature(func).parameters
        for parameter in parameters.values():
            _check_kind(parameter, name)
        hints = _hints(func, name)
        returns = hints.get("return", Any)
        by_name = [p for p in parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        return cls(
            inputs={key: (hints.get(key, Any), p.default) for key, p in parameters.items()},
            outputs=_outputs(returns),
            docstring=inspect.getdoc(func),
            returns=returns,
            positional=len(parameters) - len(by_name),
        )

    @classmethod
    def from_helper(cls, func: Callable[..., Any]) -> "NativeInterface":
        """The interface of a function that is not a task.

        `*args`, `**kwargs` and whatever has a hint that cannot be resolved may have any type.
        """
        parameters = inspect.signature(func).parameters
        try:
            hints = _hints(func, func.__qualname__)
        except errors.DefinitionError:
            hints = {}
        variadic = {name for name, p in parameters.items() if p.kind in _VARIADIC}
        returns = hints.get("return", Any)
        return cls(
            inputs={
                name: (Any if name in variadic else hints.get(name, Any), parameter.default)
                for name, parameter in parameters.items()
            },
            outputs=_outputs(returns),
            docstring=inspect.getdoc(func),
            returns=returns,
        )

    @classmethod
    def from_types(
        cls, inputs: Inputs, outputs: dict[str, Any], default_inputs: Any = None
    ) -> "NativeInterface":
        """An interface from its parts; `default_inputs` has those defaults that are `has_default`.

        Raises:
            DefinitionError: when a default is said to be known but is not.
        """
        known = default_inputs or {}
        for name, (_, default) in inputs.items():
            if default is cls.has_default and name not in known:
                raise errors.DefinitionError(
                    f"input {name!r} is said to have a default, but default_inputs has none for it"
                )
        return cls(inputs=inputs, outputs=outputs)

    def bind(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, what: str
    ) -> dict[str, Any]:
        """The value of every input by name, defaults filled in, in the order of the signature.

        Args:
            args: values by position.
            kwargs: values by name.
            what: name of what is called, for messages.

        Raises:
            TaskInputError: when an input is missing, unknown or given twice.
        """
        names = list(self.inputs)[: self.positional]
        if len(args) > len(names):
            raise errors.TaskInputError(
                f"{what} takes at most {len(names)} inputs by position, but {len(args)} were given"
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in self.inputs:
                takes = ", ".join(self.inputs) or "none"
                raise errors.TaskInputError(
                    f"{what} has no input {name!r}; remove it or use one of its inputs: {takes}"
                )
            if name in given:
                raise errors.TaskInputError(
                    f"{what}: input {name!r} was given by position and by name"
                )
            given[name] = value
        return self._filled(given, what)

    def _filled(self, given: dict[str, Any], what: str) -> dict[str, Any]:
        missing = [name for name in self.required_inputs() if name not in given]
        if missing:
            raise errors.TaskInputError(
                f"{what} needs a value for {', '.join(map(repr, missing))}; pass it by name"
            )
        return {
            name: given.get(name, default)
            for name, (_, default) in self.inputs.items()
            if name in given or default is not self.has_default
        }

    def convert_to_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The given arguments by name; nothing is filled in."""
        return {**dict(zip(self.inputs, args, strict=False)), **kwargs}

    def has_outputs(self) -> bool:
        """Whether it gives anything."""
        return bool(self.outputs)

    def get_input_types(self) -> dict[str, Any]:
        """The type of each input."""
        return {name: hint for name, (hint, _) in self.inputs.items()}

    def required_inputs(self) -> list[str]:
        """Names of the inputs without a default."""
        return [name for name, (_, default) in self.inputs.items() if default is self.no_default]

    def num_required_inputs(self) -> int:
        """How many inputs have no default."""
        return len(self.required_inputs())

    def split(self, returned: Any) -> dict[str, Any]:
        """The outputs by name, out of what the function returned.

        Raises:
            RuntimeDataValidationError: when it returned another number of values than it declares.
        """
        if not self.outputs:
            return {}
        if len(self.outputs) == 1 and not self._as_tuple():
            return dict.fromkeys(self.outputs, returned)
        if not isinstance(returned, tuple) or len(returned) != len(self.outputs):
            raise errors.RuntimeDataValidationError(
                "outputs",
                f"expected a tuple of {len(self.outputs)} values ({', '.join(self.outputs)}), "
                f"got {returned!r:.200}",
            )
        return dict(zip(self.outputs, returned, strict=True))

    def joined(self, outputs: Mapping[str, Any]) -> Any:
        """What a caller gets, of the outputs by name: None, a value, a tuple or a NamedTuple."""
        if not self.outputs:
            return None
        values = [outputs[name] for name in self.outputs]
        if len(values) == 1 and not self._as_tuple():
            return values[0]
        return self.returns(*values) if is_named_tuple(self.returns) else tuple(values)

    def _as_tuple(self) -> bool:
        return (
            len(self.outputs) > 1 or is_named_tuple(self.returns) or _is_fixed_tuple(self.returns)
        )


def is_named_tuple(hint: Any) -> bool:
    """Whether a hint is a NamedTuple class."""
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _is_fixed_tuple(hint: Any) -> bool:
    parts = typing.get_args(hint)
    return typing.get_origin(hint) is tuple and bool(parts) and Ellipsis not in parts


def _outputs(returns: Any) -> dict[str, Any]:
    if returns is type(None):
        return {}
    if is_named_tuple(returns):
        return typing.get_type_hints(returns, include_extras=True)
    if _is_fixed_tuple(returns):
        return {f"o{i}": part for i, part in enumerate(typing.get_args(returns))}
    return {"o0": returns}


def _hints(func: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(func), include_extras=True)
    except NameError as error:
        raise errors.DefinitionError(
            f"a type hint of {name} cannot be resolved ({error}); define or import the type above "
            "the function, "
            "outside of `if TYPE_CHECKING`"
        ) from error


def _check_kind(parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind in _VARIADIC:
        raise errors.DefinitionError(
            f"{name} takes {parameter}, but inputs have names and types; declare each one, or pass "
            "a list or dict"
        )
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise errors.DefinitionError(
            f"{name} takes {parameter.name!r} by position only, but inputs are passed by name; "
            "remove the `/`"
        )
