"""What the machine has is reserved, refused and explained: with real processes on a machine of one CPU."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
DEPTH = 50


@pytest.fixture
def flyte_home(flyte_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control plane of these tests has one CPU, and accelerators are not for its tasks."""
    monkeypatch.setenv("FLYTE_SERVER_CPUS", "1")
    monkeypatch.setenv("FLYTE_SERVER_ACCELERATORS", "none")
    return flyte_home


def test_fifty_nested_calls_with_a_cpu_each_end_on_one_cpu(plane: Plane) -> None:
    ended = plane.run("resources.py", "level", "--n", str(DEPTH))
    assert ended.outputs == {"o0": 0}, ended.error
    assert len(plane.actions(ended.run)) == DEPTH + 1


def test_more_than_the_machine_has_fails_at_once_with_both_figures(plane: Plane) -> None:
    ended = plane.run("resources.py", "large")
    assert ended.phase == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "CannotSchedule"
    assert "eight.large asks for 8 CPUs, this machine has 1 CPU." in ended.error["message"]
    assert "next: ask for less cpu, or set FLYTE_SERVER_CPUS" in ended.error["message"]
    called = plane.run("resources.py", "calls_large")
    assert called.outputs is not None, called.error
    assert "CannotSchedule: eight.large asks for 8 CPUs, this machine has 1" in called.outputs["o0"]


def test_no_accelerator_is_said_and_none_is_seen(plane: Plane) -> None:
    ended = plane.run("resources.py", "accelerated")
    assert "t4.accelerated asks for 1 T4, this machine has none" in str(ended.error)
    seen = plane.run("resources.py", "shown").outputs
    assert seen == {"o0": {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": "void"}}


def test_who_waits_is_told_for_what_and_whose_it_is(plane: Plane, marks: Marks) -> None:
    following = plane.begin("resources.py", "two", "--marks", str(marks), name="two")
    wait_until(lambda: list(marks.folder.glob("held-*")), timeout_seconds=40)
    waiting = wait_until(lambda: _queued(plane, "two"), timeout_seconds=40)
    (full,) = _told("two", waiting)["waits"]["full"]
    assert (full["kind"], full["name"], full["most"]) == ("machine", "cpu", 1000)
    shown = flyte("get", "action", "two", waiting).stdout
    assert "0.6 CPUs: 0.6 CPUs of 1 CPU are reserved by two/" in " ".join(shown.split())
    machine = json.loads(flyte("-of", "json", "get", "limit").stdout)["machine"]
    cpu = machine["amounts"][0]
    assert (cpu["name"], cpu["most"], cpu["reserved"]) == ("cpu", 1000, 600)
    assert [holder["run"] for holder in cpu["holders"]] == ["two"]
    assert "1 CPU" in flyte("get", "limit").stdout
    marks.put("go")
    assert Ended.waited_for(following).outputs == {"o0": [0, 1]}


def _queued(plane: Plane, run: str) -> str | None:
    names = [
        each["id"]["name"]
        for each in plane.actions(run)
        if each["status"]["phase"] == "ACTION_PHASE_QUEUED"
    ]
    return names[0] if names else None


def _told(run: str, action: str) -> dict[str, Any]:
    return json.loads(flyte("-of", "json", "get", "action", run, action).stdout)
