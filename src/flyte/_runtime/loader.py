"""How a worker finds a task again: the module it was defined in, and the name it has there."""

import gzip
import importlib
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from flyte import errors
from flyte._task import TaskTemplate
from flyte._wire import loading

_GZIP = b"\x1f\x8b"


class ModuleLoader:
    """The default resolver: `mod <module> instance <attribute>`.

    Example:
        >>> ModuleLoader().loader_args(train, Path.cwd())
        ['mod', 'digits.sweep', 'instance', 'train']
    """

    def loader_args(self, task: TaskTemplate, root_dir: Path | None) -> list[str]:
        """The words from which `load` finds the task again.

        Args:
            task: a task that stands in a module under a name.
            root_dir: the folder that is first on `sys.path` in the worker; needed for a task of a
                script.

        Raises:
            flyte.errors.ModuleLoadError: when the task has no name in its module, or the module
                none in `root_dir`.
        """
        return loading.loader_args(task, root_dir)

    def load(self, args: Sequence[str]) -> TaskTemplate:
        """Import the module and return the task.

        Raises:
            flyte.errors.ModuleLoadError: naming the module, its file and the reason.
        """
        words = dict(zip(args[::2], args[1::2], strict=False))
        name, attribute = words.get("mod"), words.get("instance")
        if not name or not attribute:
            raise errors.ModuleLoadError(
                f"the task's address is {' '.join(args)!r}; it must read 'mod MODULE instance "
                "NAME': deploy or run again"
            )
        found: Any = _imported(name)
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise errors.ModuleLoadError(
                    f"module {name} ({_file(sys.modules.get(name))}) has no {attribute!r}; "
                    "the code that the worker has is not the code that was run: run or deploy it "
                    "again"
                )
            found = getattr(found, part)
        if not isinstance(found, TaskTemplate):
            raise errors.ModuleLoadError(
                f"{name}.{attribute} is {type(found).__name__}, not a task; decorate it with "
                "@env.task"
            )
        return found


def resolve(resolver: str, args: Sequence[str]) -> TaskTemplate:
    """Load a task through the resolver class of that import path.

    Raises:
        flyte.errors.ModuleLoadError: when the resolver or the task cannot be loaded.
    """
    if resolver == loading.RESOLVER:
        return ModuleLoader().load(args)
    module, _, name = resolver.rpartition(".")
    loader = getattr(_imported(module), name, None)
    if loader is None:
        raise errors.ModuleLoadError(
            f"the resolver {resolver} does not exist in this image; install the package it belongs "
            "to"
        )
    return loader().load(list(args))


def unpickle(data: bytes, uri: str) -> TaskTemplate:
    """The task of a pickled bundle, which stands for tasks that no module has (notebooks).

    Raises:
        flyte.errors.ModuleLoadError: naming the bundle and the reason.
    """
    try:
        content = gzip.decompress(data) if data.startswith(_GZIP) else data
        task = cloudpickle.loads(content)
    except Exception as error:
        raise errors.ModuleLoadError(
            f"the pickled task {uri} cannot be loaded: {type(error).__name__}: {error}; "
            "the worker needs the Python version and the packages that the task was run with"
        ) from error
    if not isinstance(task, TaskTemplate):
        raise errors.ModuleLoadError(
            f"the pickled bundle {uri} holds {type(task).__name__}, not a task; run again"
        )
    return task


def _file(module: ModuleType | None) -> Path | None:
    try:
        source = inspect.getsourcefile(module) if module else None
    except TypeError:
        return None
    return Path(source).resolve() if source else None


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise errors.ModuleLoadError(_why_not(name, error)) from error


def _why_not(name: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if name == error.name or name.startswith(f"{error.name}."):
            places = ", ".join(sys.path[:3])
            return (
                f"module {name} is not among the files that the worker has (searched {places}, …); "
                "run again with copy_style='all', or correct root_dir"
            )
        step = f"install {error.name} in the task's image, or add it to the code bundle"
    else:
        step = "correct the module so that it can be imported in the worker"
    return (
        f"module {name}{_where(error)} cannot be imported: {type(error).__name__}: {error}; {step}"
    )


def _where(error: BaseException) -> str:
    """The last line of user code that the failed import reached."""
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    inner = [frame for frame in frames if "importlib" not in frame.filename]
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    if len(inner) > 1:
        return f" ({inner[-1].filename}, line {inner[-1].lineno})"
    return ""
