"""A module that is imported when something of it is used."""

from types import ModuleType
from typing import Any

from flyte._kit import optional


class LazyModule(ModuleType):
    """Stands for a module until an attribute of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        # Python's own questions (is it a package, where is its file) are no use of it.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{self.__name__} has not been imported yet and has no {name}")
        return getattr(optional.module(self.__name__, f"what uses {self.__name__}"), name)

    def __dir__(self) -> list[str]:
        return dir(optional.module(self.__name__, f"what uses {self.__name__}"))

    def __repr__(self) -> str:
        return f"<lazy module {self.__name__!r}>"


def lazy_module(fullname: str) -> ModuleType:
    """A module that is imported on first use; the module itself, if somebody has imported it already.

    For a plugin with a heavy library: importing the plugin stays fast, and it can be imported where the library is
    missing.

    Raises:
        ImportError: on first use, naming the package to install.

    Example:
        >>> torch = lazy_module("torch")
        >>> def train():
        ...     return torch.nn.Linear(3, 1)
    """
    if optional.loaded(fullname):
        return optional.module(fullname, f"what uses {fullname}")
    return LazyModule(fullname)
