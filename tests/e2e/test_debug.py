"""Debugging as a person does it: pdb gets its commands from a pipe, the terminal from a script."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.plane import FLYTE, PATIENCE_SECONDS, PROGRAMS, Marks, Plane, flyte

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
FILE = "debugging.py"
RAISING_LINE = "-> return seen / zero"


def typed(commands: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A `flyte` command with a person who types."""
    return subprocess.run(
        [str(FLYTE), *arguments],
        input=commands,
        capture_output=True,
        text=True,
        check=False,
        cwd=PROGRAMS,
        timeout=PATIENCE_SECONDS,
    )


def test_a_local_run_stops_at_a_breakpoint() -> None:
    done = typed("p kept\nc\n", "run", "--local", "--debug", FILE, "stops")
    assert "-> return kept" in done.stdout
    assert "(Pdb) 4\n" in done.stdout
    assert "ActionOutputs(o0=4)" in done.stdout
    assert done.returncode == 0


def test_leaving_the_debugger_at_a_breakpoint_ends_the_run_without_a_traceback() -> None:
    done = typed("q\n", "run", "--local", "--debug", FILE, "stops")
    assert done.returncode == 1
    assert "BdbQuit" not in done.stderr + done.stdout


def test_a_local_run_stops_where_an_exception_is_not_caught(marks: Marks) -> None:
    arguments = ("run", "--local", "--debug", FILE, "outer", "--marks", str(marks))
    done = typed("p zero, twice\nw\nq\n", *arguments)
    assert done.returncode == 1
    assert RAISING_LINE in done.stdout
    assert "(Pdb) (0, 6)" in done.stdout
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "/flyte/_runtime/" not in done.stdout + done.stderr
    assert marks.counts()["divide"] == 1  # although it has a retry


def test_somebody_who_debugs_has_all_the_time() -> None:
    assert "MaxRuntimeExceeded" in flyte("run", "--local", FILE, "slow", expect=1).stderr
    done = typed("", "run", "--local", "--debug", FILE, "slow")
    assert "had all the time" in done.stdout


def test_debug_is_for_this_process(plane: Plane) -> None:
    refused = flyte("run", "--debug", FILE, "fine", expect=1)
    assert "flyte debug RUN ACTION" in refused.stderr


def test_a_failed_action_stops_here_with_its_inputs_and_what_its_calls_gave(
    plane: Plane, marks: Marks
) -> None:
    flyte("run", "--name", "r", FILE, "outer", "--marks", str(marks), "--n", "7", expect=1)
    actions, counts = plane.actions("r"), marks.counts()
    assert counts == {"double": 2, "noted": 1, "divide": 2}
    done = typed("p twice, seen, zero\np n\nq\n", "debug", "r")
    assert done.returncode == 1
    assert RAISING_LINE in done.stdout
    assert "(Pdb) (14, 5, 0)" in done.stdout
    assert "(Pdb) 7" in done.stdout
    assert "debugging.divide (r/" in done.stderr
    assert "attempt 2): ZeroDivisionError: division by zero" in done.stderr
    # Only what has failed was executed: its call and its trace gave what they had given.
    assert marks.counts() == {**counts, "divide": 3}
    assert plane.actions("r") == actions
    assert "note: " not in done.stderr


def test_a_parent_is_debugged_down_to_the_child_that_failed(plane: Plane, marks: Marks) -> None:
    flyte("run", "--name", "r", FILE, "outer", "--marks", str(marks), expect=1)
    before = marks.counts()
    done = typed("w\nq\n", "debug", "r", "a0")
    assert RAISING_LINE in done.stdout
    assert "return await divide(marks, n) + first" in done.stderr
    assert marks.counts() == {**before, "divide": before["divide"] + 1}
    wrong = flyte("debug", "r", "a0", "--attempt", "2", expect=1)
    assert "has no attempt 2: there were 1" in wrong.stderr
    assert "flyte get action r" in flyte("debug", "r", "nobody", expect=1).stderr


def test_large_inputs_are_those_of_then(plane: Plane, marks: Marks) -> None:
    flyte("run", "--name", "r", FILE, "large", "--marks", str(marks), expect=1)
    done = typed("p size, len(block)\nq\n", "debug", "r")
    assert "(Pdb) (3000000, 3000000)" in done.stdout
    assert marks.counts() == {"measured": 1}


def test_the_code_is_that_of_then(plane: Plane, tmp_path: Path) -> None:
    program = tmp_path / "edited.py"
    text = "import flyte\nenv = flyte.TaskEnvironment('e')\n@env.task\ndef main() -> int:\n    {}\n"
    program.write_text(text.format("raise ValueError('the old code')"))
    flyte("run", "--name", "r", "edited.py", "main", expect=1, cwd=tmp_path)
    program.write_text(text.format("return 1"))
    done = typed("q\n", "debug", "r")
    assert "-> raise ValueError('the old code')" in done.stdout


def test_what_succeeded_runs_too_and_says_so(plane: Plane) -> None:
    flyte("run", "--name", "r", FILE, "fine")
    done = flyte("debug", "r")
    assert done.stdout == "3\n"
    assert "it does not fail here" in done.stderr


def test_another_interpreter_is_said(plane: Plane, tmp_path: Path) -> None:
    other = tmp_path / "other"
    site = other / "lib/python3.12/site-packages/click-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: click\nVersion: 1.0\n")
    (other / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.12.1\n")
    (other / "bin").mkdir()
    (other / "bin" / "python").symlink_to(sys.executable)
    flyte("run", "--name", "r", "--env", f"VIRTUAL_ENV={other}", FILE, "fine", expect=None)
    done = typed("q\n", "debug", "r")
    assert f"it ran in the Python environment {other}, and this one is {sys.prefix}" in done.stderr
    assert "its Python was 3.12.1" in done.stderr
    assert "click 1.0 (here " in done.stderr
