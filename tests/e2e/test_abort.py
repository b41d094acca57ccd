"""Abort means stopped: wherever a task's processes went, none is alive when the run is ABORTED."""

import json
from collections.abc import Callable

import psutil
import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, gone, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_KINDS = {"leader.pid", "plain.pid", "stubborn.pid", "daemon.pid", "worker.pid"}


@pytest.fixture(autouse=True)
def grace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = getattr(request, "param", 4)
    monkeypatch.setenv("FLYTE_SERVER_GRACE_SECONDS", str(seconds))


def scatter(plane: Plane, marks: Marks, task: str = "scattered") -> Callable[[], Ended]:
    """A run whose task has processes of every kind."""
    following = plane.begin("escaping.py", task, "--marks", str(marks), name="r")
    wait_until(lambda: set(marks.counts()) >= _KINDS, timeout_seconds=30)
    return lambda: Ended.waited_for(following)


def told(*arguments: str) -> dict[str, object]:
    return json.loads(flyte("-of", "json", "get", *arguments).stdout)


def assert_aborting() -> None:
    """Every place that shows a run or an action says that it is being ended, and why."""
    assert "aborting" in flyte("get", "run").stdout
    assert "aborting" in flyte("get", "action", "r").stdout
    for shown in (flyte("get", "run", "r").stdout, flyte("get", "action", "r", "a0").stdout):
        assert "aborting" in shown
        assert "enough" in shown
    action = told("action", "r", "a0")
    assert action["status"]["phase"] == "ACTION_PHASE_RUNNING"  # type: ignore[index]
    assert action["ending"]["kind"] == "aborting"  # type: ignore[index]
    assert action["ending"]["reason"] == "enough"  # type: ignore[index]


def assert_nothing_left(marks: Marks) -> None:
    alive = [pid for pid in marks.pids() if not gone(pid)]
    assert not alive, [psutil.Process(pid).cmdline() for pid in alive]


def host_of(marks: Marks) -> int:
    return psutil.Process(int(marks.lines("leader.pid")[0])).ppid()


@pytest.mark.parametrize("grace", [300], indirect=True)
def test_an_abort_is_shown_until_the_last_process_is_gone(plane: Plane, marks: Marks) -> None:
    ended = scatter(plane, marks)
    assert "being aborted" in flyte("abort", "run", "r", "--reason", "enough").stdout
    assert_aborting()
    assert "already: enough" in flyte("abort", "run", "r", "--reason", "again").stdout
    wait_until(lambda: gone(int(marks.lines("leader.pid")[0])))
    assert_aborting()
    for name in ("stubborn.pid", "daemon.pid"):
        kill(int(marks.lines(name)[0]))
    assert ended().phase == "aborted"
    assert "aborting" not in flyte("get", "run").stdout
    assert "ended already: aborted" in flyte("abort", "run", "r").stdout


def test_what_left_the_group_is_ended_too(plane: Plane, marks: Marks) -> None:
    ended = scatter(plane, marks)
    flyte("abort", "run", "r")
    assert "aborting" in flyte("get", "action", "r").stdout
    assert ended().phase == "aborted"
    assert_nothing_left(marks)


def test_abort_can_wait_for_the_last_process(plane: Plane, marks: Marks) -> None:
    scatter(plane, marks)
    assert "has ended: aborted" in flyte("abort", "run", "r", "--wait").stdout
    assert_nothing_left(marks)


def test_a_host_that_is_killed_during_an_abort_leaves_nothing(plane: Plane, marks: Marks) -> None:
    ended = scatter(plane, marks)
    host = host_of(marks)
    flyte("abort", "run", "r")
    kill(host)
    assert ended().phase == "aborted"
    assert_nothing_left(marks)


def test_a_control_plane_that_is_killed_during_an_abort_goes_on_with_it(
    plane: Plane, marks: Marks
) -> None:
    ended = scatter(plane, marks)
    flyte("abort", "run", "r")
    plane.kill()
    plane.start()
    assert ended().phase == "aborted"
    assert_nothing_left(marks)


def test_nothing_is_left_when_host_and_control_plane_die_together(
    plane: Plane, marks: Marks
) -> None:
    """Then nobody remembers the processes: they are found by what they carry."""
    ended = scatter(plane, marks, "scattered_once")
    host = host_of(marks)
    plane.kill()
    kill(host)
    assert not gone(int(marks.lines("daemon.pid")[0])), "a daemon outlives its host"
    plane.start()
    assert ended().outputs == {"o0": 0}, "the next attempt saw nothing of the first"
    assert_nothing_left(marks)


def test_a_task_can_clean_up_within_the_grace(plane: Plane, marks: Marks) -> None:
    plane.begin("escaping.py", "tidies", "--marks", str(marks), name="r")
    wait_until(lambda: {"tidy.pid", "tidy-plain.pid"} <= marks.counts().keys(), timeout_seconds=30)
    flyte("abort", "run", "r", "--wait")
    assert marks.lines("tidied") == ["x"]
    assert marks.lines("tidied-plain") == ["x"]
    assert_nothing_left(marks)
