"""Values of an app's parameters, brought to this machine before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyte import errors
from flyte.app import AppEndpoint, AppEnvironment, Parameter
from flyte.app._parameter import check
from flyte.app._values import DelayedValue, ParameterValue
from flyte.io import Dir, File


@dataclass(frozen=True, slots=True)
class Materials:
    """What an app is given."""

    parameters: dict[str, str] = field(default_factory=dict[str, str])
    """Text, path or address by the name of the parameter."""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    """The same by the name of the variable that gets it."""


async def materials(env: AppEnvironment, others: Mapping[str, Any], folder: Path) -> Materials:
    """Find the values of all parameters.

    Args:
        env: the app.
        others: values that count instead of the declared ones, by the names of parameters.
        folder: where files and folders from elsewhere are put.

    Raises:
        ParameterMaterializationError: a value is missing, or cannot be found or fetched.
    """
    known = {each.name for each in env.parameters}
    if unknown := sorted(set(others) - known):
        raise errors.ParameterMaterializationError(
            f"app {env.name!r} has no parameter {unknown[0]!r}; it has: {', '.join(sorted(known)) or 'none'}"
        )
    made = Materials()
    for parameter in env.parameters:
        where = f"app {env.name!r}: parameter {parameter.name!r}"
        value = others.get(parameter.name, parameter.value)
        if value is None:
            raise errors.ParameterMaterializationError(
                f"{where} has no value; give it one in its Parameter, or with "
                f"parameter_values={{{env.name!r}: {{{parameter.name!r}: …}}}}"
            )
        check(where, value)
        text = await _text(parameter, value, folder)
        made.parameters[parameter.name] = text
        if parameter.env_var is not None:
            made.variables[parameter.env_var] = text
    return made


async def _text(parameter: Parameter, value: ParameterValue, folder: Path) -> str:
    found = await value.get() if isinstance(value, DelayedValue) else value
    if isinstance(found, AppEndpoint):
        return found.address()
    if isinstance(found, File | Dir):
        return await _path(parameter, found, folder)
    return found


async def _path(parameter: Parameter, value: File[Any] | Dir[Any], folder: Path) -> str:
    """Where the app finds a file or folder: one of this machine stays where it is."""
    address = value.path.removeprefix("file://")
    if _is_here(address):
        return address
    if not parameter.download:
        return value.path
    target = folder / parameter.name
    try:
        return await value.download(target)
    except errors.StorageError as error:
        raise errors.ParameterMaterializationError(
            f"parameter {parameter.name!r}: {value.path} cannot be fetched: {error}"
        ) from error


def _is_here(address: str) -> bool:
    return Path(address).exists()
