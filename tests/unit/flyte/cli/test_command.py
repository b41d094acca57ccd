"""The `flyte` command in this process: help, inputs as options, `run --local`, errors as exit statuses."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flyte.cli.main import main
from flyte.cli.verbs import COMMANDS

SCRIPT = '''
import threading
from dataclasses import dataclass
from enum import Enum
import flyte

env = flyte.TaskEnvironment(name="jobs")

class Colour(Enum):
    RED = "r"

@dataclass
class Knobs:
    rate: float
    layers: list[int]

@env.task
async def train(knobs: Knobs, epochs: int = 3, fast: bool = True, colour: Colour = Colour.RED) -> str:
    """Train a model.

    It takes a while.
    """
    print("training")
    return f"{knobs} {epochs} {fast} {colour.name}"

@env.task
def both(a: int, b: int | None) -> tuple[int, bool]:
    return a, b is None

@env.task
async def parent(n: int) -> int:
    return await child(n)

@env.task
async def child(n: int) -> int:
    if n < 0:
        raise ValueError("n is negative")
    return n

@env.task
def where() -> str:
    return threading.current_thread().name

@env.task
async def where_async() -> str:
    return threading.current_thread().name
'''


@pytest.fixture
def flyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """The command in a directory with one script; the module is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "cli_jobs.py").write_text(SCRIPT)

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    yield command
    sys.modules.pop("cli_jobs", None)


def test_help_names_every_command(flyte: Callable[..., Result]) -> None:
    done = flyte("--help")
    assert done.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert name in done.output
        assert line in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_line_of_a_command_is_its_own(name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert (command.help or "").partition("\n")[0].startswith(COMMANDS[name][1].rstrip("."))


def test_version(flyte: Callable[..., Result]) -> None:
    assert flyte("--version").output.startswith("flyte 0.")


def test_unknown_command_names_the_closest(flyte: Callable[..., Result]) -> None:
    done = flyte("rn")
    assert done.exit_code == 2
    assert "No such command 'rn'. Did you mean 'run'?" in done.output


def test_help_of_a_file_lists_its_tasks_in_their_order(flyte: Callable[..., Result]) -> None:
    done = flyte("run", "cli_jobs.py", "--help")
    tasks = done.output.partition("Tasks:")[2].splitlines()[1:]
    assert tasks[0].split(None, 1) == ["train", "Train a model."]
    assert tasks[1].split(None, 1) == ["both", "a, b"]


def test_help_of_a_task_shows_types_defaults_and_what_is_required(
    flyte: Callable[..., Result],
) -> None:
    shown = " ".join(flyte("run", "cli_jobs.py", "train", "--help").output.split())
    assert "Train a model. It takes a while." in shown
    assert "--knobs JSON Knobs [required]" in shown
    assert "--epochs INTEGER [default: 3]" in shown
    assert "--fast / --no-fast [default: True]" in shown
    assert "--colour [RED] [default: RED]" in shown


def test_local_run_prints_the_outputs(flyte: Callable[..., Result]) -> None:
    knobs = '{"rate": 0.5, "layers": [1]}'
    done = flyte("run", "--local", "cli_jobs.py", "train", "--knobs", knobs, "--no-fast")
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "training\nActionOutputs(o0='Knobs(rate=0.5, layers=[1]) 3 False RED')\n"
    )


def test_json_is_all_that_is_on_stdout(flyte: Callable[..., Result]) -> None:
    knobs = '{"rate": 0.5, "layers": []}'
    done = flyte("-of", "json-raw", "run", "--local", "cli_jobs.py", "train", "--knobs", knobs)
    assert done.stdout.count("\n") == 1
    told = json.loads(done.stdout)
    assert told["phase"] == "succeeded"
    assert told["outputs"]["o0"].endswith("3 True RED")
    assert "training" in done.stderr


def test_an_input_that_may_be_none_may_be_left_out(flyte: Callable[..., Result]) -> None:
    assert (
        "ActionOutputs(o0=1, o1=True)"
        in flyte("run", "--local", "cli_jobs.py", "both", "--a", "1").stdout
    )


@pytest.mark.parametrize("task", ["where", "where_async"])
def test_local_tasks_run_in_the_main_thread(flyte: Callable[..., Result], task: str) -> None:
    done = flyte("run", "--local", "cli_jobs.py", task)
    assert f"o0={threading.main_thread().name!r}" in done.stdout


def test_an_error_of_user_code_shows_the_users_frames_only(flyte: Callable[..., Result]) -> None:
    done = flyte("run", "--local", "cli_jobs.py", "parent", "--n", "-1")
    assert done.exit_code == 1
    assert done.stdout == ""
    lines = [line.strip() for line in done.stderr.splitlines()]
    frames = [line for line in lines if line.startswith("File ")]
    assert [frame.rpartition(" in ")[2] for frame in frames] == ["parent", "child"]
    assert all("cli_jobs.py" in frame for frame in frames)
    assert lines[-2] == "ValueError: n is negative"
    assert lines[-1].startswith(
        "What succeeded is kept; correct the code and go on with: flyte rerun r"
    )


def test_an_error_as_json(flyte: Callable[..., Result]) -> None:
    done = flyte("-of", "json", "run", "--local", "cli_jobs.py", "child", "--n", "-1")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == {"code": "ValueError", "message": "n is negative"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["cli_jobs.py", "trian"], "cli_jobs.py has no task 'trian'; did you mean 'train'?"),
        (["cli_job.py", "train"], "there is no file 'cli_job.py'; did you mean 'cli_jobs.py'?"),
        (["cli_jobs.py", "train"], "jobs.train needs --knobs (Knobs)"),
        (
            ["cli_jobs.py", "child", "--n", "x"],
            "Invalid value for '--n': 'x' is not a valid integer",
        ),
        (["cli_jobs.py", "child", "--m", "1"], "No such option '--m'"),
        (
            ["cli_jobs.py", "child", "--n", "1", "--local"],
            "--local is an option of `flyte run`; write it before the file",
        ),
        (["cli_jobs.py", "train", "--knobs", "{"], "not JSON at column 2"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_2(
    flyte: Callable[..., Result], words: list[str], complaint: str
) -> None:
    done = flyte("run", *words)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_file_that_cannot_be_imported(flyte: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "cli_sick.py").write_text("import no_such_thing")
    done = flyte("run", "cli_sick.py", "train")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert "No module named 'no_such_thing'" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in flyte("-v", "run", "cli_sick.py", "train").stderr


def test_names_with_dashes_and_underscores_are_the_same(
    flyte: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "cli_dashes.py").write_text(
        "import flyte\nenv = flyte.TaskEnvironment(name='d')\n"
        "@env.task\ndef rate(learning_rate: float) -> float:\n    return learning_rate\n"
    )
    for option in ("--learning_rate", "--learning-rate"):
        assert "o0=0.1" in flyte("run", "--local", "cli_dashes.py", "rate", option, "0.1").stdout


def test_a_configuration_file_is_written_once(flyte: Callable[..., Result], tmp_path: Path) -> None:
    assert flyte("create", "config", "--project", "p: 1").exit_code == 0
    again = flyte("create", "config")
    assert again.exit_code == 2
    assert "pass --force to overwrite it" in again.stderr
    shown = json.loads(flyte("-of", "json", "get", "config").stdout)
    assert shown["project"] == "p: 1"
    assert shown["endpoint"] == "local"
    assert shown["source"] == str(tmp_path / ".flyte" / "config.yaml")


def test_bad_configuration_is_one_sentence(flyte: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("admin: [")
    done = flyte("get", "config")
    assert done.exit_code == 1
    assert "config.yaml" in done.stderr
    assert "Traceback" not in done.stderr
