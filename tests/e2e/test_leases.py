"""Who is dead and who is only silent: hosts and control planes that are stopped, tasks that block everything."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.e2e.plane import NIGHTLY, Ended, Marks, Plane, flyte, gone
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900 if NIGHTLY else 120)]

LEASE_SECONDS = 2


@pytest.fixture
def strict(flyte_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A control plane whose leases are short."""
    monkeypatch.setenv("FLYTE_SERVER_LEASE_SECONDS", str(LEASE_SECONDS))
    yield from running(Plane(flyte_home))


def running(plane: Plane) -> Iterator[Plane]:
    plane.start()
    try:
        yield plane
    finally:
        plane.shut_down()


def select(plane: Plane, statement: str) -> list[Any]:
    """Rows of the store, read beside the control plane."""
    with closing(sqlite3.connect(f"file:{plane.home}/state.db?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def attempts(plane: Plane) -> list[tuple[str, int, str, str]]:
    """All attempts: action, number, phase, failure."""
    return select(
        plane,
        "SELECT action, number, phase, coalesce(failure, '') FROM attempts ORDER BY action, number",
    )


def leases(plane: Plane) -> set[str]:
    return {worker for (worker,) in select(plane, "SELECT worker FROM leases")}


def host_of(pid: int) -> psutil.Process:
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


def until_runs(marks: Marks, name: str, times: int = 1) -> int:
    """Wait until a task has been started so often; its process."""
    wait_until(lambda: len(marks.lines(f"{name}.pid")) == times, timeout_seconds=40)
    return int(marks.lines(f"{name}.pid")[-1])


def until_passed(plane: Plane, seconds: float) -> None:
    """Let that much of the time pass in which the control plane renews its leases."""
    renewed = "SELECT max(renewed_at) FROM leases"
    [(begin,)] = select(plane, renewed)
    wait_until(
        lambda: select(plane, renewed)[0][0] > begin + seconds * 1_000_000,
        timeout_seconds=seconds + 30,
    )


def test_a_stopped_host_is_ended_and_its_attempt_is_made_again(strict: Plane, marks: Marks) -> None:
    following = strict.begin("holding.py", "waiting", "--marks", str(marks), name="stopped-host")
    first = until_runs(marks, "waiting-0")
    host = host_of(first)
    host.suspend()
    second = until_runs(marks, "waiting-0", times=2)
    assert gone(host.pid), "it cannot thaw any more"
    assert gone(first), "and neither goes its task on"
    assert second != first
    marks.put("go")
    ended = Ended.waited_for(following)
    assert (ended.phase, ended.outputs) == ("succeeded", {"o0": 0})
    assert marks.lines("waited-0") == ["x"], "one outcome"
    [(_, _, phase, failure), (_, _, last, _)] = attempts(strict)
    assert (phase, last) == ("failed", "succeeded")
    told = json.loads(failure)
    assert (told["code"], told["blame"]) == ("WorkerLost", "system")
    assert told["message"].startswith("worker lost: host h-")
    assert f"(process {host.pid}) gave no sign of life for " in told["message"]


def test_a_host_that_is_stopped_for_less_than_its_lease_goes_on(
    strict: Plane, marks: Marks
) -> None:
    following = strict.begin("holding.py", "waiting", "--marks", str(marks), name="short-stop")
    host = host_of(until_runs(marks, "waiting-0"))
    host.suspend()
    until_passed(strict, LEASE_SECONDS / 2)
    host.resume()
    until_passed(strict, 2 * LEASE_SECONDS)
    marks.put("go")
    assert Ended.waited_for(following).phase == "succeeded"
    assert [number for _, number, _, _ in attempts(strict)] == [1]


def test_tasks_that_block_everything_are_alive(strict: Plane) -> None:
    """The parent and both children are silent for several leases."""
    ended = strict.run("holding.py", "silent", "--seconds", str(3 * LEASE_SECONDS))
    assert ended.outputs == {"o0": ["blocked", "held"]}, ended.error
    assert [number for _, number, _, _ in attempts(strict)] == [1, 1, 1]


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes; nightly")
def test_tasks_that_block_everything_for_two_minutes_are_alive(plane: Plane) -> None:
    ended = plane.run("holding.py", "silent", "--seconds", "120")
    assert ended.outputs == {"o0": ["blocked", "held"]}, ended.error
    assert [number for _, number, _, _ in attempts(plane)] == [1, 1, 1]


def test_a_module_whose_import_takes_longer_than_the_lease(strict: Plane) -> None:
    seconds = f"IMPORT_SECONDS={3 * LEASE_SECONDS}"
    ended = strict.run("slow_import.py", "quick", "--x", "1", options=("--env", seconds))
    assert (ended.phase, ended.outputs) == ("succeeded", {"o0": 2}), ended.error
    assert [number for _, number, _, _ in attempts(strict)] == [1]


def test_a_control_plane_that_comes_back_waits_for_an_import(strict: Plane) -> None:
    """Nobody can ask the host what it holds; that is no reason to start its attempt again."""
    seconds = f"IMPORT_SECONDS={4 * LEASE_SECONDS}"
    arguments = ("--env", seconds, "--name", "import", "slow_import.py", "quick", "--x", "1")
    following = strict.spawn("-of", "json", "run", *arguments)
    wait_until(lambda: importing(strict), timeout_seconds=30)
    strict.kill()
    strict.start()
    assert importing(strict), "it is still at it"
    ended = Ended.waited_for(following)
    assert (ended.phase, ended.outputs) == ("succeeded", {"o0": 2}), ended.error
    assert [number for _, number, _, _ in attempts(strict)] == [1]


def importing(plane: Plane) -> bool:
    records = [json.loads(path.read_text()) for path in (plane.home / "hosts").glob("*.json")]
    return any(record["importing"] for record in records)


def test_a_stopped_control_plane_hears_its_hosts_before_it_judges(
    strict: Plane, marks: Marks
) -> None:
    following = strict.begin(
        "holding.py", "several", "--marks", str(marks), "--n", "3", name="away"
    )
    for n in range(3):
        until_runs(marks, f"waiting-{n}")
    away = psutil.Process(strict.pid)
    away.suspend()
    try:
        sleep_through(3 * LEASE_SECONDS)
    finally:
        away.resume()
    until_passed(strict, 3 * LEASE_SECONDS)
    marks.put("go")
    ended = Ended.waited_for(following)
    assert ended.outputs == {"o0": [0, 1, 2]}, ended.error
    assert {number for _, number, _, _ in attempts(strict)} == {1}


def sleep_through(seconds: float) -> None:
    """Let time pass while everybody who could tell it is stopped."""
    with pytest.raises(AssertionError):
        wait_until(lambda: False, timeout_seconds=seconds)


def test_leases_are_those_of_who_is_alive(strict: Plane, marks: Marks) -> None:
    following = strict.begin("holding.py", "waiting", "--marks", str(marks), name="leases")
    host = host_of(until_runs(marks, "waiting-0"))
    worker = next(
        path.stem for path in (strict.home / "hosts").glob("*.json") if pid_in(path) == host.pid
    )
    wait_until(lambda: worker in leases(strict))
    [first] = [name for name in leases(strict) if name.startswith("cp-")]
    strict.kill()
    strict.start()
    wait_until(lambda: first not in leases(strict))
    wait_until(lambda: worker in leases(strict))
    marks.put("go")
    assert Ended.waited_for(following).phase == "succeeded"
    host.send_signal(signal.SIGKILL)
    wait_until(lambda: worker not in leases(strict))
    flyte("stop", "server")
    assert leases(strict) == set()


def pid_in(record: Path) -> int:
    return json.loads(record.read_text())["pid"]
