"""Where a worker finds a task again: the module that defines it, and its name there."""

import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from flyte import errors
from flyte._task import TaskTemplate

RESOLVER = "flyte._runtime.loader.ModuleLoader"
"""The class that reads what `loader_args` writes."""


def loader_args(task: Any, root_dir: Path | None) -> list[str]:
    """`mod <module> instance <attribute>` for a task that stands in a module under a name.

    Args:
        task: the task, or an override of it.
        root_dir: the folder that is first on `sys.path` in the worker; needed for a task of a script.

    Raises:
        ModuleLoadError: when the task has no name in its module, or the module none in `root_dir`.
    """
    module = home(task)
    if module is None:
        raise errors.ModuleLoadError(
            f"task {task.name} is in no module that is loaded; define it at the top level of an importable module"
        )
    return ["mod", _module_name(module, task, root_dir), "instance", _attribute(task, module)]


def home(task: Any) -> ModuleType | None:
    """The module that has the task: the one of its function, else the last one that was imported with it in it.

    A task without a function (of a plugin's own kind) does not know where it stands.  Of several modules that have it,
    the one whose import began last is the one that defines it; the others import it from there.
    """
    function = getattr(task, "func", None)
    if function is not None:
        return sys.modules.get(function.__module__)
    for module in reversed(list(sys.modules.values())):
        values = getattr(module, "__dict__", None) or {}
        if any(
            isinstance(value, TaskTemplate) and _same(value, task)
            for value in list(values.values())
        ):
            return module
    return None


def _same(value: Any, task: Any) -> bool:
    """Whether it is the task, or the one that the task is an override of."""
    if value is task:
        return True
    function = getattr(task, "func", None)
    if function is not None:
        return getattr(value, "func", None) is function
    return type(value) is type(task) and value.name == task.name


def _attribute(task: Any, module: ModuleType) -> str:
    """The name of the task, or of the one that it is an override of."""
    own = getattr(getattr(task, "func", None), "__name__", "")
    candidates = [(own, vars(module).get(own)), *vars(module).items()]
    for name, value in candidates:
        if value is task:
            return name
    for name, value in candidates:
        if isinstance(value, TaskTemplate) and _same(value, task):
            return name
    raise errors.ModuleLoadError(
        f"task {task.name} has no name of its own in module {module.__name__} ({_file(module)}); "
        "assign it to a name at the top level of the module, not inside a function or a container"
    )


def _module_name(module: ModuleType, task: Any, root_dir: Path | None) -> str:
    if module.__name__ != "__main__":
        return module.__name__
    spec = getattr(module, "__spec__", None)
    if spec is not None and spec.name != "__main__":  # python -m package.module
        return spec.name
    file, root = _file(module), (root_dir or Path.cwd()).resolve()
    if file is None:
        raise errors.ModuleLoadError(
            f"task {task.name} was defined interactively; put it into a file to run it on a control plane"
        )
    if not file.is_relative_to(root):
        raise errors.ModuleLoadError(
            f"task {task.name} is in {file}, outside of the root directory {root}; "
            "start from a folder above the file, or name one with root_dir"
        )
    return ".".join(file.relative_to(root).with_suffix("").parts)


def _file(module: ModuleType) -> Path | None:
    try:
        source = inspect.getsourcefile(module)
    except TypeError:
        return None
    return Path(source).resolve() if source else None
