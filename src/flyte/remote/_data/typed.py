"""Inputs and outputs in types that the caller names, where the task's own are not at hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flyteidl2.task import common_pb2

from flyte import errors
from flyte._interface import NativeInterface
from flyte._wire import values
from flyte.remote._data.large import LinkCarrier

Deserializers = Mapping[type, Callable[[Any], Any]]


async def read(
    literals: Sequence[common_pb2.NamedLiteral],
    types: Mapping[str, type],
    deserializers: Deserializers | None,
    *,
    guessed: Mapping[str, Any],
    what: str,
) -> dict[str, Any]:
    """The values by name.

    Args:
        literals: as they are stored.
        types: the type of each value that is wanted; others keep the guessed one.
        deserializers: for a type that Flyte does not know: what makes it of the value in its guessed type.
        guessed: types as the stored interface has them.
        what: `inputs` or `outputs`, for messages.

    Raises:
        DefinitionError: `types` names a value that is not there.
        TypeTransformerFailedError: a value is not of the type.
    """
    there = {each.name for each in literals}
    if unknown := [name for name in types if name not in there]:
        known = ", ".join(sorted(there)) or "none"
        raise errors.DefinitionError(f"types: the {what} have no {unknown[0]!r}, only: {known}")
    own = {name: hint for name, hint in types.items() if hint in (deserializers or {})}
    hints = {name: hint for name, hint in guessed.items() if name in there}
    hints |= {name: hint for name, hint in types.items() if name not in own}
    message = common_pb2.Outputs(literals=literals)
    found = await values.named(NativeInterface({}, hints), message, carrier=LinkCarrier())
    for name, hint in own.items():
        found[name] = (deserializers or {})[hint](found[name])
    return found
