"""A user's Python file as a module with tasks, and what is said when it is not one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyte import errors
from flyte.cli.run.script import Script, nearest

TASKS = """
import flyte
env = flyte.TaskEnvironment(name="e")

@env.task
async def greet(name: str) -> str:
    return name
"""


@pytest.fixture(autouse=True)
def fresh_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Modules and search paths as they were; the test's own directory is the working directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(path: Path, text: str = TASKS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(file: str, root_dir: str | None = None) -> str:
    with pytest.raises(errors.ModuleLoadError) as caught:
        Script.at(file, root_dir).tasks()
    return str(caught.value)


def test_module_name_starts_at_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path / "jobs" / "daily-1.py")
    script = Script.at("jobs/daily-1.py")
    assert script.module_name == "jobs.daily-1"
    assert script.root == tmp_path
    assert [task.name for task in script.tasks().values()] == ["e.greet"]


def test_root_dir_moves_the_start(tmp_path: Path) -> None:
    write(tmp_path / "src" / "pack" / "cli_rooted.py")
    assert Script.at("src/pack/cli_rooted.py", "src").module_name == "pack.cli_rooted"


def test_a_file_elsewhere_starts_at_its_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "there" / "cli_elsewhere.py")
    write(tmp_path / "here" / "x")
    monkeypatch.chdir(tmp_path / "here")
    assert Script.at(str(tmp_path / "there" / "cli_elsewhere.py")).module_name == "cli_elsewhere"


def test_neighbours_of_the_file_can_be_imported(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "cli_neighbour.py", "WORD = 'hi'")
    write(tmp_path / "deep" / "cli_uses_it.py", "import cli_neighbour\n" + TASKS)
    assert list(Script.at("deep/cli_uses_it.py").tasks()) == ["greet"]


def test_no_such_file_names_the_closest_one(tmp_path: Path) -> None:
    write(tmp_path / "hello.py")
    assert refusal("helo.py") == "there is no file 'helo.py'; did you mean 'hello.py'?"
    assert "no directory" in refusal("nowhere/hello.py")


def test_file_outside_of_root_dir(tmp_path: Path) -> None:
    write(tmp_path / "hello.py")
    write(tmp_path / "src" / "x.py")
    assert "does not lie under --root-dir src" in refusal("hello.py", "src")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = 1 +\n", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(2)", "it ends the interpreter"),
    ],
)
def test_file_that_cannot_be_imported(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path / "cli_broken.py", "y = 2\n" + text)
    said = refusal("cli_broken.py")
    assert f"{file} cannot be imported: {words}" in said
    assert f"({file}, line 2)" in said
    assert "\n" not in said


def test_name_that_means_another_module(tmp_path: Path) -> None:
    write(tmp_path / "json.py")
    assert "rename the file" in refusal("json.py")


def test_nearest() -> None:
    assert nearest("gret", ["greet", "main"]) == "; did you mean 'greet'?"
    assert nearest("xyz", ["greet"]) == ""
