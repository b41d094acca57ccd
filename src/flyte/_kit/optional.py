"""The door for modules that are imported only when somebody needs them: heavy ones, and those of extras."""

import importlib
import sys
from functools import cache
from types import ModuleType


@cache
def module(name: str, needed_for: str) -> ModuleType:
    """Import module `name` now (and only once).

    Args:
        name: full name of the module.
        needed_for: what needs it, for the message when it is not installed.

    Raises:
        ImportError: naming the package to install.

    Example:
        >>> module("json", "configuration").loads("[1]")
        [1]
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0]
        raise ImportError(
            f"{needed_for} needs the package {package!r}, which is not installed: pip install {package}",
            name=package,
        ) from error


def loaded(name: str) -> bool:
    """Whether somebody has imported module `name` already: until then no value can be of its types."""
    return name in sys.modules
