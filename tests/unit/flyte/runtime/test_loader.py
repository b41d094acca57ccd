"""Finding a task again by module and name."""

import runpy
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

from flyte import errors
from flyte._runtime import loader
from flyte._runtime.loader import ModuleLoader

SOURCE = """
from flyte._task_environment import TaskEnvironment

env = TaskEnvironment("env")

@env.task
async def train(x: int) -> int:
    return x

renamed = env.task(lambda x: x) if False else train

class Box:
    @env.task
    def inside(x: int) -> int:
        return x

def hidden():
    @env.task
    def never(x: int) -> int:
        return x
    return never

answer = 42
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with `pkg/tasks.py`; what it imports is forgotten afterwards."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "tasks.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def imported(place: Path, name: str = "pkg.tasks") -> ModuleType:
    __import__(name)
    return sys.modules[name]


def test_a_task_is_found_again(place: Path) -> None:
    task = imported(place).train
    args = ModuleLoader().loader_args(task, place)
    assert args == ["mod", "pkg.tasks", "instance", "train"]
    assert ModuleLoader().load(args) is task


def test_an_override_is_found_as_the_task_it_comes_from(place: Path) -> None:
    task = imported(place).train
    args = ModuleLoader().loader_args(task.override(retries=3), place)
    assert ModuleLoader().load(args) is task


def test_a_task_that_no_name_of_the_module_holds_is_refused(place: Path) -> None:
    with pytest.raises(errors.ModuleLoadError, match=r"never.*top level"):
        ModuleLoader().loader_args(imported(place).hidden(), place)


def test_a_task_of_a_script_gets_the_module_name_of_its_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ModuleType("__main__")
    script.__dict__.update(
        {
            **runpy.run_path(str(place / "pkg" / "tasks.py"), run_name="__main__"),
            "__file__": str(place / "pkg" / "tasks.py"),
            "__spec__": None,
        }
    )
    monkeypatch.setitem(sys.modules, "__main__", script)
    args = ModuleLoader().loader_args(script.train, place)
    assert args == ["mod", "pkg.tasks", "instance", "train"]
    with pytest.raises(errors.ModuleLoadError, match="outside of the root directory"):
        ModuleLoader().loader_args(script.train, place / "elsewhere")


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["mod", "pkg.gone", "instance", "train"], r"pkg\.gone is not among the files"),
        (["mod", "pkg.tasks", "instance", "gone"], r"tasks\.py\) has no 'gone'"),
        (["mod", "pkg.tasks", "instance", "answer"], "int, not a task"),
        (["mod", "pkg.tasks"], "must read 'mod MODULE instance NAME'"),
    ],
)
def test_what_cannot_be_loaded_is_named(place: Path, args: list[str], reason: str) -> None:
    with pytest.raises(errors.ModuleLoadError, match=reason):
        ModuleLoader().load(args)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere_to_be_found", "install nowhere_to_be_found in the task's image"),
        ("x = 1\n1 / 0", r"broken\.py, line 2.*ZeroDivisionError"),
        ("def f(:", r"broken\.py, line 1.*SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_module_that_fails_to_import_says_where_and_why(
    place: Path, source: str, reason: str
) -> None:
    (place / "broken.py").write_text(source)
    with pytest.raises(errors.ModuleLoadError, match=reason):
        ModuleLoader().load(["mod", "broken", "instance", "train"])


def test_another_resolver_is_used_by_its_name(place: Path) -> None:
    (place / "mine.py").write_text(
        "import pkg.tasks\nclass Resolver:\n    def load(self, args):\n        return "
        "getattr(pkg.tasks, args[0])"
    )
    assert loader.resolve("mine.Resolver", ["train"]) is imported(place).train
    with pytest.raises(errors.ModuleLoadError, match=r"mine\.Other does not exist"):
        loader.resolve("mine.Other", [])


def test_a_pickled_task_is_loaded(place: Path) -> None:
    task = loader.unpickle(cloudpickle.dumps(imported(place).train), "s3://b/task.pkl")
    assert task.name == "env.train"


@pytest.mark.parametrize("data", [b"nonsense", cloudpickle.dumps(42)])
def test_a_pickle_of_something_else_is_named(data: bytes) -> None:
    with pytest.raises(errors.ModuleLoadError, match=r"s3://b/task\.pkl"):
        loader.unpickle(data, "s3://b/task.pkl")
