"""`flyte serve`: what it lists, what it refuses, and with which status."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flyte.cli.exit_codes import ExitCode
from flyte.cli.main import main

PROGRAM = """
from flyte.app import AppEnvironment
first = AppEnvironment(name="first-app", command="echo", description="The first one.")
empty = AppEnvironment(name="empty-app")
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"apps_{abs(hash(str(tmp_path)))}"  # a module of each test's own
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return f"{name}.py"


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["serve", *arguments], prog_name="flyte")


def test_files_and_their_apps_are_listed(program: str) -> None:
    listed = serve("--help").output
    assert program in listed
    assert "hello" in listed
    apps = serve(program, "--help").output
    assert "first" in apps
    assert "The first one." in apps


@pytest.mark.parametrize("name", ["first", "first-app"])
def test_without_local_it_is_not_yet(program: str, name: str) -> None:
    done = serve(program, name)
    assert done.exit_code == ExitCode.NOT_YET
    assert "app 'first-app'" in done.output
    assert "--local" in done.output


def test_what_is_not_there_is_named(program: str) -> None:
    done = serve("--local", program, "frist")
    assert done.exit_code == ExitCode.USAGE
    assert "did you mean 'first'" in done.output
    assert serve("--local", "no_such_file.py", "first").exit_code == ExitCode.USAGE


def test_an_app_without_a_server_says_so(program: str) -> None:
    done = serve("--local", program, "empty")
    assert done.exit_code == ExitCode.FAILED
    assert "nothing to serve" in done.output


def test_hello_needs_no_file() -> None:
    assert serve("hello").exit_code == ExitCode.NOT_YET
