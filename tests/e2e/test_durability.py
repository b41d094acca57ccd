"""Killed in the middle: nothing finished is executed again, and the result is the same."""

import pytest
from tests.e2e.plane import Ended, Marks, Plane, gone, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def until_in_flight(marks: Marks) -> None:
    wait_until(lambda: len(marks.lines("in-flight.pid")) == 2, timeout_seconds=30)


def check(ended: Ended, marks: Marks) -> None:
    """Every step and child once, and the values of the run are those of the first execution."""
    assert ended.phase == "succeeded", ended.error
    recorded = [float(marks.lines(f"step-{n}")[0]) for n in range(4)]
    assert ended.outputs == {"o0": recorded, "o1": [0, 1, 4, 0, -1, 9]}
    counts = marks.counts()
    once = [f"step-{n}" for n in range(4)]
    once += [f"child-{n}" for n in range(4)] + [f"in-flight-{n}" for n in range(2)]
    assert {name: counts[name] for name in once} == dict.fromkeys(once, 1)


def test_parent_killed(plane: Plane, marks: Marks) -> None:
    following = plane.begin("durable.py", "parent", "--marks", str(marks), name="killed-parent")
    until_in_flight(marks)
    kill(int(marks.lines("parent.pid")[0]))
    wait_until(lambda: len(marks.lines("parent.pid")) == 2, timeout_seconds=30)
    marks.put("go")
    check(Ended.waited_for(following), marks)


def test_control_plane_killed(plane: Plane, marks: Marks) -> None:
    following = plane.begin("durable.py", "parent", "--marks", str(marks), name="killed-plane")
    until_in_flight(marks)
    plane.kill()
    plane.start()
    marks.put("go")
    check(Ended.waited_for(following), marks)
    assert len(marks.lines("parent.pid")) == 1, "the parent was running all the time"


def test_children_end_while_the_control_plane_is_away(plane: Plane, marks: Marks) -> None:
    following = plane.begin("durable.py", "parent", "--marks", str(marks), name="away")
    until_in_flight(marks)
    plane.kill()
    marks.put("go")
    wait_until(lambda: not any(map(running, marks.lines("in-flight.pid"))), timeout_seconds=20)
    plane.start()
    check(Ended.waited_for(following), marks)


def test_everything_killed(plane: Plane, marks: Marks) -> None:
    """The machine lost its power: control plane, hosts, parents and children are all gone."""
    following = plane.begin("durable.py", "parent", "--marks", str(marks), name="power-failure")
    until_in_flight(marks)
    plane.kill()
    for process in plane.processes():
        if process.pid != following.pid:
            process.kill()
    plane.start()
    marks.put("go")
    ended = Ended.waited_for(following)
    assert ended.phase == "succeeded", ended.error
    counts = marks.counts()
    finished = [f"step-{n}" for n in range(4)] + [f"child-{n}" for n in range(4)]
    assert {name: counts[name] for name in finished} == dict.fromkeys(finished, 1)
    assert {counts[f"in-flight-{n}"] for n in range(2)} == {2}, "they had to be started again"


def running(pid: str) -> bool:
    return not gone(int(pid))


def test_control_plane_killed_again_and_again(plane: Plane, marks: Marks) -> None:
    """Wherever it is hit: no child is executed twice, none is forgotten."""
    following = plane.begin(
        "durable.py", "many", "--marks", str(marks), "--n", "60", name="many-kills"
    )
    for threshold in (5, 20, 35, 50):
        wait_until(lambda: len(marks.lines("done")) >= threshold, timeout_seconds=30)  # noqa: B023
        plane.kill()
        plane.start()
    ended = Ended.waited_for(following)
    assert ended.outputs == {"o0": sum(range(60))}, ended.error
    assert sorted(map(int, marks.lines("done"))) == list(range(60))
