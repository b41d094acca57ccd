"""Progress survives an attempt: a failure, a crash, a worker that is killed, a machine that is taken away."""

import os
import signal
from typing import Any

import psutil
import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, here, kill
from tests.support import wait_until

PROGRAM = "checkpointing.py"


def status(plane: Plane, run: str) -> dict[str, Any]:
    (action,) = plane.actions(run)
    return action["status"]


def host_of(marks: Marks) -> int:
    """The host of the task that has told its process."""
    (pid,) = wait_until(marks.pids, timeout_seconds=40)
    return psutil.Process(pid).ppid()


def test_the_latest_checkpoint_of_any_earlier_attempt_is_found(plane: Plane, marks: Marks) -> None:
    done = plane.run(PROGRAM, "climb", "--folder", str(marks))
    assert done.outputs == {"o0": "step 1"}, done.error
    assert marks.lines("found") == ["nothing", "step 1", "step 1"]


def test_retries_in_the_callers_process_go_on_too(flyte_home: object, marks: Marks) -> None:
    """Without the crash, which would be the caller's own."""
    done = here(PROGRAM, "gentle_climb", "--folder", str(marks))
    assert done.outputs == {"o0": "step 1"}, done.error
    assert marks.lines("found") == ["nothing", "step 1", "step 1"]


@pytest.mark.parametrize(("task", "expected"), [("spot", None), ("plain_spot", "saved in finally")])
def test_a_machine_that_is_taken_away_lets_its_tasks_save_and_costs_no_retry(
    plane: Plane, marks: Marks, task: str, expected: str | None
) -> None:
    running = plane.begin(PROGRAM, task, "--folder", str(marks), name="taken")
    os.kill(host_of(marks), signal.SIGTERM)
    done = Ended.waited_for(running, timeout=90)
    assert done.outputs is not None, done.error
    (value,) = done.outputs.values()
    if expected is None:
        assert value[:3] == ["step-0", "step-1", "step-2"]
        assert marks.lines("saved") == ["yes"]
    else:
        assert value == expected
    assert status(plane, "taken")["attempts"] == 2
    first = flyte("-of", "json", "get", "action", "taken", "a0").stdout
    assert "the machine told its host to end (SIGTERM)" in first


def test_a_worker_that_is_killed_loses_nothing_that_was_saved(plane: Plane, marks: Marks) -> None:
    running = plane.begin(PROGRAM, "steady", "--folder", str(marks), name="lost")
    wait_until(lambda: len(marks.lines("saved")) >= 3, timeout_seconds=40)
    kill(host_of(marks))
    done = Ended.waited_for(running, timeout=90)
    assert done.outputs is not None, done.error
    (resumed_at,) = done.outputs.values()
    assert resumed_at >= 3
    assert status(plane, "lost")["attempts"] == 2
