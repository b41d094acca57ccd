"""Reusable environments on a real control plane: real replicas, real deaths."""

import signal

import psutil
import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, gone, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PROGRAM = "replicas.py"


def replicas(plane: Plane) -> set[int]:
    """Numbers of the replicas that live."""
    found: set[int] = set()
    for process in plane.processes():
        try:
            if "flyte._entrypoints.replica" in process.cmdline():
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_burst_takes_as_many_replicas_as_there_may_be(plane: Plane, marks: Marks) -> None:
    running = plane.begin(PROGRAM, "burst", "--folder", str(marks), "--n", "6", name="r1")
    wait_until(lambda: len(_begun(marks)) == 3, timeout_seconds=60)
    assert len(replicas(plane)) == 3
    marks.put("go")
    ended = Ended.waited_for(running, 90)
    assert ended.outputs is not None, ended
    assert set(ended.outputs["o0"]) == replicas(plane), "six children in three processes"
    assert all(len(marks.lines(f"began-{x}")) == 1 for x in range(6))


def _begun(marks: Marks) -> list[str]:
    return [name for name in marks.counts() if name.startswith("began-")]


def test_children_share_one_process(plane: Plane) -> None:
    ended = plane.run(PROGRAM, "gathered", "--n", "50")
    assert ended.outputs == {"o0": 1}
    assert len(replicas(plane)) == 1
    assert plane.run(PROGRAM, "chain", "--n", "10").outputs == {"o0": 10}
    assert len(replicas(plane)) == 1, "the next run finds it"


def test_results_are_those_of_a_process_of_its_own(plane: Plane) -> None:
    ended = plane.run(PROGRAM, "both_ways")
    assert ended.outputs is not None, ended
    warm, cold = ended.outputs["o0"]
    assert warm == cold == "([2, 4, 6], \"anna ['a', 'b']\")"
    children = [each["id"]["name"] for each in plane.actions(ended.run)][1:]
    logs = [flyte("get", "logs", ended.run, child).stdout for child in children]
    assert len(logs) == 2
    assert all("anna prints" in log for log in logs)


def test_parents_and_children_share_an_environment(plane: Plane) -> None:
    assert plane.run(PROGRAM, "depth", "--n", "5").outputs == {"o0": 5}
    assert plane.run(PROGRAM, "plain_depth", "--n", "2").outputs == {"o0": 2}


def test_a_child_that_could_never_begin_is_refused(plane: Plane) -> None:
    ended = plane.run(PROGRAM, "child_of_its_own")
    assert ended.error is not None, ended
    assert "has the only place of the reusable environment 'single'" in ended.error["message"]
    assert 'override(reusable="off")' in ended.error["message"]


def test_a_killed_replica_costs_only_what_it_held(plane: Plane, marks: Marks) -> None:
    running = plane.begin(PROGRAM, "burst", "--folder", str(marks), "--n", "3", name="r1")
    wait_until(lambda: len(_begun(marks)) == 3, timeout_seconds=60)
    victim = int(marks.lines("began-0")[0])
    kill(victim)
    wait_until(lambda: len(marks.lines("began-0")) == 2, timeout_seconds=60)
    marks.put("go")
    ended = Ended.waited_for(running, 90)
    assert ended.outputs is not None, ended
    assert victim not in ended.outputs["o0"]
    assert [len(marks.lines(f"began-{x}")) for x in range(3)] == [2, 1, 1]


def test_a_task_that_ends_its_process_is_tried_again(plane: Plane, marks: Marks) -> None:
    ended = plane.run(PROGRAM, "leaves", "--folder", str(marks))
    assert ended.outputs == {"o0": 2}, ended
    assert len(set(marks.lines("began"))) == 2


def test_an_abort_lets_code_clean_up_and_spares_the_replica(plane: Plane, marks: Marks) -> None:
    running = plane.begin(PROGRAM, "patient", "--folder", str(marks), name="r1")
    wait_until(lambda: marks.lines("began"), timeout_seconds=60)
    flyte("abort", "run", "r1")
    wait_until(lambda: marks.lines("cleaned"), timeout_seconds=30)
    assert Ended.waited_for(running, 60).phase == "aborted"
    assert not gone(int(marks.lines("began")[0]))


def test_an_abort_ends_a_replica_whose_code_does_not_hear(plane: Plane, marks: Marks) -> None:
    running = plane.begin(PROGRAM, "deaf", "--folder", str(marks), name="r1")
    wait_until(lambda: marks.lines("began"), timeout_seconds=60)
    flyte("abort", "run", "r1")
    wait_until(lambda: marks.lines("heard"), timeout_seconds=30)
    wait_until(lambda: gone(int(marks.lines("began")[0])), timeout_seconds=60)
    assert Ended.waited_for(running, 60).phase == "aborted"


def test_replicas_outlive_the_control_plane(plane: Plane, marks: Marks) -> None:
    running = plane.begin(PROGRAM, "burst", "--folder", str(marks), "--n", "3", name="r1")
    wait_until(lambda: len(_begun(marks)) == 3, timeout_seconds=60)
    plane.kill()
    marks.put("go")
    plane.start()
    ended = Ended.waited_for(running, 90)
    assert ended.outputs is not None, ended
    assert [len(marks.lines(f"began-{x}")) for x in range(3)] == [1, 1, 1], "nothing ran twice"


def test_traces_of_an_attempt_on_a_replica_are_not_repeated(plane: Plane, marks: Marks) -> None:
    ended = plane.run(PROGRAM, "tracing", "--folder", str(marks))
    assert ended.outputs == {"o0": 30}, ended
    assert [len(marks.lines(f"traced-{x}")) for x in range(3)] == [1, 1, 1]
    assert len(marks.lines("attempt")) == 2


def test_a_run_may_have_replicas_of_its_own(plane: Plane, marks: Marks) -> None:
    first = plane.run(PROGRAM, "fleet", "--folder", str(marks))
    second = plane.run(PROGRAM, "fleet", "--folder", str(marks))
    assert first.outputs is not None
    assert second.outputs is not None
    assert not set(first.outputs["o0"]) & set(second.outputs["o0"])


def test_sigterm_drains_a_replica(plane: Plane) -> None:
    assert plane.run(PROGRAM, "gathered", "--n", "4").outputs == {"o0": 1}
    (pid,) = replicas(plane)
    psutil.Process(pid).send_signal(signal.SIGTERM)
    wait_until(lambda: gone(pid), timeout_seconds=30)
    assert plane.run(PROGRAM, "gathered", "--n", "5").outputs == {"o0": 1}
    assert pid not in replicas(plane)
