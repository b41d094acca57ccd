"""Values of the caller's own classes for the guessed types of a deployed task.

A guessed record is a dataclass made of its schema: no value of the user's class is an instance of it, although it has
the same fields.  Here such a value, or a mapping, becomes one; everything else passes, and is checked when it is
written.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from flyte import errors


def fitted(value: Any, hint: Any, path: str) -> Any:
    """The value as the hint wants it, where records have to be made anew.

    Args:
        value: what the caller gave.
        hint: a guessed type.
        path: where the value is, for messages.

    Raises:
        RuntimeDataValidationError: a record has other fields.

    Example:
        >>> Guessed = dataclasses.make_dataclass("Point", [("x", int)])
        >>> fitted({"x": 1}, list[Guessed] | Guessed, "inputs.p")
        Point(x=1)
    """
    if isinstance(value, enum.Enum) and typing.get_origin(hint) is typing.Literal:
        allowed = typing.get_args(hint)
        return value.value if value.value in allowed else value.name
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _member(value, typing.get_args(hint), path)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record(value, hint, path)
    return _container(value, hint, path)


def _container(value: Any, hint: Any, path: str) -> Any:
    parts, origin = typing.get_args(hint), typing.get_origin(hint)
    if origin is list and _is(value, list, tuple):
        return [fitted(item, parts[0], f"{path}[{i}]") for i, item in enumerate(value)]
    if origin is dict and _is(value, Mapping):
        return {key: fitted(item, parts[1], f"{path}[{key!r}]") for key, item in value.items()}
    return value


def _is(value: object, *kinds: type) -> bool:
    """`isinstance`, after which the value still counts as one of any type."""
    return isinstance(value, kinds)


def _member(value: Any, members: tuple[Any, ...], path: str) -> Any:
    """The value for the first member of a union that makes something of it."""
    failures: list[errors.RuntimeDataValidationError] = []
    for member in members:
        if member is not type(None):
            try:
                made = fitted(value, member, path)
            except errors.RuntimeDataValidationError as error:
                failures.append(error)
            else:
                if made is not value:
                    return made
    # A value that is one already, None, or something for the writer to refuse with all members in its message.
    if failures and _fields(value) is not None:
        raise failures[0]
    return value


def _record(value: Any, hint: Any, path: str) -> Any:
    given = None if isinstance(value, hint) else _fields(value)
    if given is None:
        return value
    hints = typing.get_type_hints(hint)
    known = {each.name: each for each in dataclasses.fields(hint) if each.init}
    missing = [name for name, each in known.items() if name not in given and _is_required(each)]
    unknown = [name for name in given if name not in known]
    if missing or unknown:
        problem = [f"has no field {name!r}" for name in missing]
        problem += [f"has a field {name!r} too many" for name in unknown]
        raise errors.RuntimeDataValidationError(
            path,
            f"the {type(value).__name__} does not fit the task's {hint.__name__}: it {', '.join(problem)}; "
            f"its fields are: {', '.join(known) or 'none'}",
        )
    return hint(
        **{
            name: fitted(given[name], hints[name], f"{path}.{name}")
            for name in known
            if name in given
        }
    )


def _is_required(each: "dataclasses.Field[Any]") -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


def _fields(value: Any) -> dict[str, Any] | None:
    """Names and values of a record's fields; None for what is no record."""
    if _is(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    of_model: Mapping[str, Any] | None = getattr(type(value), "model_fields", None)
    if of_model is not None:
        return {name: getattr(value, name) for name in of_model}
    as_dict: Callable[[], dict[str, Any]] | None = getattr(value, "_asdict", None)
    return as_dict() if as_dict is not None else None
