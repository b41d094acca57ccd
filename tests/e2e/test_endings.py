"""Ended from outside: aborts, time limits, Ctrl-C.  No process survives."""

import signal

import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, gone
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def until_all_gone(marks: Marks) -> None:
    pids = marks.pids()
    assert pids
    wait_until(lambda: all(map(gone, pids)), timeout_seconds=20)


def phases(plane: Plane, run: str) -> set[str]:
    return {action["status"]["phase"] for action in plane.actions(run)}


def test_abort_cascades_and_no_process_survives(plane: Plane, marks: Marks) -> None:
    following = plane.begin("stubborn.py", "tree", "--marks", str(marks), name="tree")
    wait_until(lambda: len(list(marks.folder.glob("sleeper-*.pid"))) == 2, timeout_seconds=30)
    flyte("abort", "run", "tree", "--reason", "enough")

    ended = Ended.waited_for(following)
    assert (ended.status, ended.phase) == (1, "aborted")
    until_all_gone(marks)
    wait_until(lambda: phases(plane, "tree") == {"ACTION_PHASE_ABORTED"})
    assert "enough" in flyte("get", "action", "tree", "a0").stdout


def test_an_aborted_action_is_an_error_that_its_caller_catches(plane: Plane, marks: Marks) -> None:
    following = plane.begin("stubborn.py", "survivor", "--marks", str(marks), name="survivor")
    wait_until(lambda: marks.lines("sleeper-0.pid"), timeout_seconds=30)
    child = next(a["id"]["name"] for a in plane.actions("survivor") if a["id"]["name"] != "a0")
    flyte("abort", "action", "survivor", child)

    ended = Ended.waited_for(following)
    assert ended.phase == "succeeded", ended.error
    assert str(ended.outputs and ended.outputs["o0"]).startswith("went on after ")
    until_all_gone(marks)


def test_time_limit_ends_every_attempt_and_its_processes(plane: Plane, marks: Marks) -> None:
    ended = plane.run("stubborn.py", "limited", "--marks", str(marks))
    assert ended.status == 1
    assert ended.error is not None
    assert ended.error["code"] == "MaxRuntimeExceeded"
    assert len(marks.lines("sleeper-0.pid")) == 2
    until_all_gone(marks)


def test_pauses_between_attempts_grow(plane: Plane, marks: Marks) -> None:
    ended = plane.run("stubborn.py", "paced", "--marks", str(marks))
    assert ended.outputs == {"o0": 2}
    first, second, third = map(float, marks.lines("started"))
    assert second - first >= 0.4
    assert third - second >= 0.8
    assert third - first < 5


def test_ctrl_c_leaves_the_run_alone(plane: Plane, marks: Marks) -> None:
    following = plane.begin("durable.py", "parent", "--marks", str(marks), name="left-alone")
    wait_until(lambda: len(marks.lines("in-flight.pid")) == 2, timeout_seconds=30)
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=20)
    assert following.returncode == 130
    assert "flyte abort run left-alone" in err
    marks.put("go")
    wait_until(lambda: "succeeded" in flyte("get", "run", "left-alone").stdout, timeout_seconds=30)


def test_what_has_ended_is_not_said_to_be_aborted(plane: Plane) -> None:
    ended = plane.run("talking.py", "surroundings")
    assert "has ended already: succeeded" in flyte("abort", "run", ended.run).stdout
    assert "has ended already: succeeded" in flyte("abort", "action", ended.run, "a0").stdout
