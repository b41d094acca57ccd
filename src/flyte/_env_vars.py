"""Environment variables as users declare them."""

from collections.abc import Mapping
from typing import Any

from flyte import errors


def env_vars(where: str, variables: Any) -> dict[str, str] | None:
    """Environment variables as a dictionary of texts; None stays None.

    Raises:
        DefinitionError: when a name or value is not a text.
    """
    if variables is None:
        return None
    if not isinstance(variables, Mapping):
        raise errors.DefinitionError(
            f"{where}: env_vars must be a dictionary, got {type(variables).__name__}: {variables!r}"
        )
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise errors.DefinitionError(
                f"{where}: env_vars has names and texts, got {name!r}: {value!r}; use str()"
            )
    return dict(variables)
