"""What makes a forked process the attempt's own."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flyte._entrypoints import child


@pytest.fixture
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("environment")
def test_a_child_has_its_own_variables_and_keeps_those_that_imports_set() -> None:
    variables = child.Variables()
    variables.replace({"SHARED": "1", "FIRST": "of the host", "GOING": "1"})
    assert dict(os.environ) == {"SHARED": "1", "FIRST": "of the host", "GOING": "1"}
    os.environ["SET_BY_AN_IMPORT"] = "yes"
    os.environ["SHARED"] = "changed by an import"
    variables.adapt({"SHARED": "1", "FIRST": "of the attempt", "NEW": "2"})
    assert dict(os.environ) == {
        "SHARED": "changed by an import",
        "FIRST": "of the attempt",
        "NEW": "2",
        "SET_BY_AN_IMPORT": "yes",
    }


@pytest.mark.parametrize(
    ("leaving", "code"),
    [(SystemExit(), 0), (SystemExit(3), 3), (SystemExit(-1), 255), (SystemExit("why"), 1)],
)
def test_exit_codes_are_those_of_an_interpreter(
    leaving: SystemExit, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert child.exit_code(leaving) == code
    assert capsys.readouterr().err == ("why\n" if leaving.code == "why" else "")


def test_leaving_waits_for_threads_runs_exit_functions_and_flushes() -> None:
    code = (
        "import atexit, threading\n"
        "from flyte._entrypoints import child\n"
        "atexit.register(print, 'exit function')\n"
        "print('main')\n"
        "threading.Thread(target=print, args=('thread',)).start()\n"
        "child.leave(7, lambda: print('cleaned up', flush=True))\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert process.returncode == 7
    assert process.stdout.split(b"\n") == [b"main", b"thread", b"exit function", b"cleaned up", b""]
