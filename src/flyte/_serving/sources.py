"""How another process finds an app again: by its module and name, or as a pickle."""

import io
import sys
from collections import ChainMap
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from flyte import errors
from flyte._kit import optional
from flyte.app import AppEnvironment


@dataclass(frozen=True, slots=True)
class Source:
    """Where an app is: a name in a module, or a file with its pickle."""

    path: list[str]
    """`sys.path` of the process that has the app."""
    module: str = ""
    file: str = ""
    attribute: str = ""
    pickle: str = ""

    def document(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return asdict(self)


def source(env: AppEnvironment, folder: Path, *, by_value: bool) -> Source:
    """Where another process finds the app.

    Args:
        env: the app.
        folder: where a pickle may be left.
        by_value: whether it is pickled in any case, as for code that is in no file.

    Raises:
        DefinitionError: the app is not at the top level of a module, and cannot be pickled.
    """
    path = [str(Path(entry).absolute()) for entry in sys.path]
    found = None if by_value else _in_module(env)
    if found is not None:
        module, attribute = found
        return Source(path, _importable(module), str(module.__file__), attribute)
    file = folder / "app.pkl"
    try:
        file.write_bytes(_pickled(env))
    except Exception as error:  # whatever an object says against being pickled
        raise errors.DefinitionError(
            f"app {env.name!r} cannot be taken to a process of its own ({type(error).__name__}: {error}); assign it to "
            "a name at the top level of a module"
        ) from error
    return Source(path, pickle=str(file))


def _in_module(env: AppEnvironment) -> tuple[ModuleType, str] | None:
    """The module that has the app under a name, and the name; the one that was imported last has defined it."""
    for module in reversed(list(sys.modules.values())):
        file: object = getattr(module, "__file__", None)
        values = getattr(module, "__dict__", None) or {}
        for name, value in list(values.items()):
            if value is env and isinstance(file, str):
                return module, name
    return None


def _pickled(env: AppEnvironment) -> bytes:
    cloudpickle = optional.module("cloudpickle", "an app without a module")
    reducers = dict[type, Any]()
    if optional.loaded("starlette.datastructures"):
        # Every FastAPI has a State, which asks itself for its own attributes for ever while it is unpickled.
        state = optional.module("starlette.datastructures", "an app of FastAPI").State
        reducers[state] = lambda value: (state, (dict(vars(value)["_state"]),))
    known = ChainMap(reducers, cloudpickle.CloudPickler.dispatch_table)
    pickler = type("_Pickler", (cloudpickle.CloudPickler,), {"dispatch_table": known})
    buffer = io.BytesIO()
    pickler(buffer).dump(env)
    return buffer.getvalue()


def _importable(module: ModuleType) -> str:
    """The name under which the module is imported: that of a script is its file's."""
    if module.__name__ != "__main__":
        return module.__name__
    spec = module.__spec__
    return spec.name if spec is not None else Path(str(module.__file__)).stem
