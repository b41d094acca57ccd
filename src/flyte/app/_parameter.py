"""Parameter: a value that an app is given when it starts."""

import re
from dataclasses import dataclass, field
from typing import Any

from flyte import errors
from flyte.app._values import (
    AppEndpoint,
    DelayedValue,
    ParameterType,
    ParameterValue,
)
from flyte.io import Dir, File

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS = ("string", "file", "directory", "app_endpoint")


@dataclass
class Parameter:
    """A value for an app: a text, a file, a folder, or one that is found when the app starts.

    Its code reads it with `flyte.app.get_parameter(name)`, as an argument of that name of its `@env.server`
    function, or in the variable `env_var`.

    Args:
        name: letters, digits, `_` and `-`.
        value: the value; None: it is given when the app is served (`parameter_values`).
        type: its kind, if the value does not say it.
        env_var: variable of the app's process that gets the text, path or address.
        download: whether a file or folder is brought to this machine; otherwise the app gets its address.
        mount: where a deployed app finds the file or folder; a served one asks `get_parameter`.
        ignore_patterns: files of a folder that a deployed app does not need.

    Raises:
        DefinitionError: when one of them is wrong.

    Example:
        >>> Parameter(name="model", value=File.from_existing_remote("s3://models/v3.bin"), env_var="MODEL")
    """

    name: str
    value: ParameterValue | None = None
    type: ParameterType | None = None
    env_var: str | None = None
    download: bool = True
    mount: str | None = None
    ignore_patterns: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise errors.DefinitionError(
                f"parameter name {self.name!r} is not valid; use letters, digits, '_' and '-', as in 'model'"
            )
        where = f"parameter {self.name!r}"
        if self.env_var is not None and not _VARIABLE.fullmatch(self.env_var):
            raise errors.DefinitionError(
                f"{where}: env_var must be the name of an environment variable, got {self.env_var!r}"
            )
        if self.value is not None:
            check(where, self.value)
        if self.type is None and self.value is not None:
            self.type = kind_of(self.value)
        if self.type is not None and self.type not in _KINDS:
            raise errors.DefinitionError(
                f"{where}: type is one of {', '.join(_KINDS)}, got {self.type!r}"
            )


def check(where: str, value: Any) -> None:
    """Refuse what cannot be the value of a parameter."""
    if not isinstance(value, str | File | Dir | DelayedValue):
        raise errors.DefinitionError(
            f"{where}: a value is a text, a flyte.io.File or Dir, a RunOutput or an AppEndpoint, got "
            f"{type(value).__name__}: {value!r}"
        )


def kind_of(value: ParameterValue) -> ParameterType | None:
    """The kind of a value; None: only its source knows."""
    if isinstance(value, File):
        return "file"
    if isinstance(value, Dir):
        return "directory"
    if isinstance(value, AppEndpoint):
        return "app_endpoint"
    return value.type if isinstance(value, DelayedValue) else "string"


def parameters(where: str, given: Any) -> list[Parameter]:
    """What `parameters=` takes, checked.

    Raises:
        DefinitionError: when it is no list of parameters, or two have one name.
    """
    if not isinstance(given, list | tuple) or not all(
        isinstance(each, Parameter) for each in given
    ):
        raise errors.DefinitionError(
            f"{where}: parameters is a list of flyte.app.Parameter, got {given!r}"
        )
    names = [each.name for each in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise errors.DefinitionError(
            f"{where}: several parameters are named {twice[0]!r}; rename one"
        )
    return list(given)
