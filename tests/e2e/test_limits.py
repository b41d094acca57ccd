"""What a task may use of the machine: enforced with control groups and without, and shown."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, gone, kill
from tests.support import wait_until

from flyte_server.executors.common.limits import finding
from flyte_server.executors.common.limits.finding import AUTO, OFF, Unusable

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FILE = "greedy.py"
MOST_PROCESSES = 40


def _missing() -> str:
    """Why there are no control groups here; empty if there are."""
    try:
        finding.find(Path("/nowhere"), AUTO, kind="probe")
    except Unusable as reason:
        return str(reason)
    return ""


needs_groups = pytest.mark.skipif(bool(_missing()), reason=f"no control groups: {_missing()}")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has mounts of its own for sure"
)


@pytest.fixture(params=[pytest.param(AUTO, marks=needs_groups), OFF])
def cgroups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both mechanisms, chosen before the control plane starts."""
    monkeypatch.setenv("FLYTE_SERVER_CGROUPS", request.param)
    monkeypatch.setenv("FLYTE_SERVER_MOST_PROCESSES", str(MOST_PROCESSES))
    return request.param


@pytest.fixture
def bounded(cgroups: str, plane: Plane) -> Plane:
    """A control plane that enforces bounds in the one way or the other."""
    return plane


def used(run: str) -> dict[str, Any]:
    return json.loads(flyte("-of", "json", "get", "usage", run).stdout)


def log_of(plane: Plane, run: str) -> str:
    (log,) = (plane.home / "logs").glob(f"*/*/{run}/a0/1.log")
    return log.read_text()


def groups(plane: Plane) -> list[Path]:
    """Control groups that the home's attempts have now."""
    name = f"flyte-attempts-{hashlib.sha256(str(plane.home).encode()).hexdigest()[:12]}"
    roots = Path("/sys/fs/cgroup").glob(f"**/{name}")
    return [path for root in roots for path in root.iterdir() if path.is_dir()]


def test_memory_above_the_bound_ends_the_attempt_and_names_both_figures(bounded: Plane) -> None:
    ended = bounded.run(FILE, "eat", "--mebibytes", "300")
    assert ended.phase == "failed"
    assert ended.error["code"] == "OOMKilled"
    assert "its bound is 160 MiB" in ended.error["message"]
    assert "flyte.Resources(memory=" in ended.error["message"]
    assert used(ended.run)["attempts"][0]["peak_memory"] >= 150 * 2**20
    wait_until(lambda: not groups(bounded))


def test_memory_below_the_bound_is_nobodys_business_and_is_shown(bounded: Plane) -> None:
    ended = bounded.run(FILE, "eat", "--mebibytes", "100")
    assert ended.phase == "succeeded"
    told = used(ended.run)
    assert told["bounds"]["memory"] == 160 * 2**20
    (attempt,) = told["attempts"]
    assert 100 * 2**20 <= attempt["peak_memory"] < 250 * 2**20
    assert attempt["cpu_seconds"] > 0
    assert told["samples"], "it ran for longer than a second"
    assert max(sample[1] for sample in told["samples"]) >= 100 * 2**20
    shown = flyte("get", "action", ended.run, "a0").stdout
    assert "peak memory" in shown
    assert "CPU time" in shown
    assert "CPU time" in flyte("get", "usage", ended.run).stdout
    wait_until(lambda: not groups(bounded))


def test_cpu_time_is_bounded(bounded: Plane, cgroups: str) -> None:
    ended = bounded.run(FILE, "spin", "--seconds", "1.5")
    cpus, throttled = ended.outputs["o0"]
    if cgroups == AUTO:
        assert throttled > 0, "the kernel held it back"
    else:
        assert cpus == 1, "0.2 CPUs are one CPU at most"


@pytest.mark.parametrize("task", ["multiply", "multiply_bounded"])
def test_one_that_forks_without_end_is_ended(bounded: Plane, task: str) -> None:
    ended = bounded.run(FILE, task)
    assert ended.phase == "failed"
    assert f"{MOST_PROCESSES}" in ended.error["message"]
    assert "processes" in ended.error["message"]


@pytest.mark.parametrize("where", ["here", "tmp"])
def test_one_that_fills_its_disk_is_ended(plane: Plane, where: str) -> None:
    ended = plane.run(FILE, "litter", "--mebibytes", "60", "--where", where)
    assert ended.error["code"] == "DiskFull"
    assert "its bound is 20 MiB" in ended.error["message"]


def test_one_that_keeps_within_its_disk_is_not(plane: Plane) -> None:
    assert plane.run(FILE, "litter", "--mebibytes", "10", "--where", "tmp").phase == "succeeded"


@needs_root
def test_shared_memory_has_the_size_that_was_asked_for(plane: Plane) -> None:
    assert plane.run(FILE, "share", "--mebibytes", "4").outputs == {"o0": 8}
    assert not Path("/dev/shm/flyte-test").exists(), "it was its own"
    full = plane.run(FILE, "share", "--mebibytes", "20")
    assert full.phase == "failed"
    assert "No space left on device" in full.error["message"]


@needs_groups
def test_a_child_that_is_killed_for_its_memory_is_told_in_the_log(plane: Plane) -> None:
    ended = plane.run(FILE, "feed_child", "--mebibytes", "300")
    assert ended.outputs == {"o0": -9}, "the task itself goes on"
    assert "reached the memory bound of 160 MiB" in log_of(plane, ended.run)


@needs_groups
def test_the_next_control_plane_goes_on_measuring_and_tidies_up(plane: Plane, marks: Marks) -> None:
    mark = marks.folder / "began"
    begun = plane.begin(FILE, "rest_bounded", "--seconds", "12", "--mark", str(mark), name="r")
    wait_until(lambda: mark.exists() and len(used("r")["samples"]) > 1, timeout_seconds=30)
    assert "flyte-attempts-" in mark.read_text(), "it entered its group before anything else"
    plane.kill()
    before = len(groups(plane))
    plane.start()
    seen = len(used("r")["samples"])
    wait_until(lambda: len(used("r")["samples"]) > seen, timeout_seconds=30)
    assert before == len(groups(plane))
    assert Ended.waited_for(begun).phase == "succeeded"
    assert used("r")["attempts"][0]["cpu_seconds"] > 0
    wait_until(lambda: not groups(plane))


@needs_groups
def test_groups_go_when_control_plane_and_host_were_killed(plane: Plane, marks: Marks) -> None:
    mark = marks.folder / "began"
    plane.begin(FILE, "rest_bounded", "--seconds", "600", "--mark", str(mark), name="r")
    wait_until(mark.exists, timeout_seconds=30)
    hosts = [json.loads(path.read_text())["pid"] for path in (plane.home / "hosts").glob("*.json")]
    plane.kill()
    for pid in hosts:
        kill(pid)
    wait_until(lambda: all(gone(pid) for pid in hosts))
    left = groups(plane)
    assert left
    plane.start()
    wait_until(lambda: not any(path.exists() for path in left), timeout_seconds=60)
