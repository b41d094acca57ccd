"""Tasks that treat their process badly: each has a clear outcome, and what comes after them is as ever."""

import re

import psutil
import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, gone, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
FILE = "misbehaving.py"


def failure(ended: Ended) -> tuple[str, str]:
    """Code and sentence."""
    assert ended.error is not None, ended
    return ended.error["code"], ended.error["message"].partition("\n")[0]


@pytest.mark.parametrize("task", ["exits_without_outputs", "exits_without_outputs_to_write"])
def test_an_exit_without_outputs_is_no_success(plane: Plane, task: str) -> None:
    ended = plane.run(FILE, task, *(("--code", "0") if task == "exits_without_outputs" else ()))
    assert failure(ended) == (
        "NoOutputs",
        "The task's process ended with exit code 0 but wrote neither outputs nor an error.",
    )


def test_an_exit_with_a_code_says_so(plane: Plane) -> None:
    assert failure(plane.run(FILE, "exits_without_outputs", "--code", "7")) == (
        "ExitCode",
        "The task's process ended with exit code 7 without writing a result.",
    )


def test_a_system_exit_is_the_tasks_failure(plane: Plane) -> None:
    assert failure(plane.run(FILE, "raises_system_exit", "--code", "0")) == (
        "SystemExit",
        "the task ended itself with sys.exit(0)",
    )


@pytest.mark.parametrize("task", ["raises_keyboard_interrupt", "raises_keyboard_interrupt_plainly"])
def test_a_keyboard_interrupt_of_its_own_is_the_tasks_failure(plane: Plane, task: str) -> None:
    ended = plane.run(FILE, task)
    assert failure(ended) == ("KeyboardInterrupt", "KeyboardInterrupt()")


def test_a_task_may_leave_its_working_directory_and_remove_it(plane: Plane, marks: Marks) -> None:
    ended = plane.run(FILE, "moves_away", "--folder", str(marks.folder / "away"))
    assert ended.outputs == {"o0": "done"}


def test_streams_and_descriptors_may_be_replaced_and_closed(plane: Plane, marks: Marks) -> None:
    ended = plane.run(FILE, "survives", "--marks", str(marks))
    assert ended.outputs == {"o0": ["done", "done", "done"]}


def test_an_error_is_told_although_the_streams_are_replaced(plane: Plane) -> None:
    ended = plane.run(FILE, "fails_with_replaced_stdout")
    assert failure(ended) == ("ValueError", "unheard")


def test_a_crash_is_told_although_all_descriptors_are_closed(plane: Plane) -> None:
    code, sentence = failure(plane.run(FILE, "closes_descriptors_and_crashes"))
    assert code == "SIGABRT"
    assert sentence.startswith("The task's process crashed with SIGABRT in native code")


def test_a_task_that_does_not_care_for_sigterm_is_killed(plane: Plane, marks: Marks) -> None:
    following = plane.begin(FILE, "has_own_handlers", "--marks", str(marks), name="deaf")
    wait_until(marks.pids, timeout_seconds=60)
    (pid,) = marks.pids()
    flyte("abort", "run", "deaf", "--reason", "enough")
    assert Ended.waited_for(following).phase == "aborted"
    assert gone(pid)
    assert marks.lines("heard") == ["x"], "it was asked before"


def test_threads_that_never_end(plane: Plane) -> None:
    assert plane.run(FILE, "leaves_threads").outputs == {"o0": "done"}
    code, sentence = failure(plane.run(FILE, "leaves_threads_that_are_waited_for"))
    assert code == "MaxRuntimeExceeded", "as an interpreter waits for them"
    assert "longer than its max_runtime of 5 s" in sentence


def test_a_recursion_without_end(plane: Plane) -> None:
    ended = plane.run(FILE, "recurses")
    assert failure(ended)[0] == "RecursionError"
    assert ended.error is not None
    assert "Previous line repeated" in ended.error["message"], "short, whatever its depth"


def test_a_recursion_in_c_is_a_crash_that_names_its_line(plane: Plane) -> None:
    code, sentence = failure(plane.run(FILE, "recurses_in_c"))
    assert code == "SIGSEGV"
    assert re.search(r"called at misbehaving\.py:\d+ in recurses_in_c", sentence)


def test_an_exception_whose_own_text_fails(plane: Plane) -> None:
    assert failure(plane.run(FILE, "raises_unspeakable")) == (
        "UnspeakableError",
        "(its text cannot be shown: __str__ raised RuntimeError)",
    )


def test_a_message_that_looks_like_our_own(plane: Plane) -> None:
    ended = plane.run(FILE, "raises_nonsense")
    assert failure(ended)[0] == "ValueError"


def test_a_daemon_does_not_outlive_its_task(plane: Plane, marks: Marks) -> None:
    ended = plane.run(FILE, "daemonizes", "--marks", str(marks), options=("--name", "demon"))
    assert ended.outputs == {"o0": "done"}
    assert all(map(gone, marks.pids()))
    assert "ended what the task had left running" in flyte("get", "logs", "demon", "a0").stdout


def test_a_host_that_is_killed_while_it_forks(plane: Plane, marks: Marks) -> None:
    following = plane.begin(FILE, "many", "--marks", str(marks), "--n", "12", name="many")
    wait_until(marks.pids, timeout_seconds=60)
    host = psutil.Process(marks.pids()[0]).parent()
    assert host is not None
    kill(host.pid)  # others are on their way to it, or are being forked
    first = set(marks.pids())
    wait_until(lambda: all(map(gone, first)), timeout_seconds=30)
    marks.put("go")
    ended = Ended.waited_for(following, timeout=90)
    assert ended.outputs == {"o0": list(range(12))}
