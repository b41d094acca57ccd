"""Conditions end to end: answered by command line, API and link, across crashes, and without a process meanwhile."""

import json
import os
import pty
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.e2e.plane import FLYTE, PROGRAMS, Ended, Marks, Plane, flyte, here, kill
from tests.support import wait_until

import flyte as sdk


@pytest.fixture
def parking(flyte_home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A control plane that takes a process back after a moment."""
    monkeypatch.setenv("FLYTE_SERVER_PARK_SECONDS", "0.3")
    plane = Plane(flyte_home)
    plane.start()
    yield plane
    plane.shut_down()


def begin(plane: Plane, task: str, *arguments: str, name: str = "r1") -> "subprocess.Popen[str]":
    return plane.spawn(
        *("-of", "json", "run", "--follow", "--name", name, "questioning.py", task), *arguments
    )


def conditions(run: str = "r1", *options: str) -> dict[str, dict[str, Any]]:
    done = flyte("-of", "json", "get", "condition", run, *options, expect=None)
    listed = json.loads(done.stdout) if done.returncode == 0 else []
    return {each["name"]: each for each in listed}


def asked(*names: str, run: str = "r1") -> None:
    wait_until(lambda: conditions(run).keys() >= set(names), timeout_seconds=30)


def phase(plane: Plane, run: str = "r1") -> tuple[str, int]:
    root = next(each for each in plane.actions(run) if each["id"]["name"] == "a0")
    return root["status"]["phase"], root["status"]["attempts"]


def cmdline(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def post(link: str, **fields: str) -> str:
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(link, body) as response:
        return response.read().decode()


def test_two_questions_by_command_line_and_link_without_a_process_meanwhile(
    parking: Plane, marks: Marks
) -> None:
    run = begin(parking, "both", "--marks", str(marks))
    asked("approve", "amount")
    wait_until(lambda: phase(parking)[0] == "ACTION_PHASE_PAUSED", timeout_seconds=30)

    wrong = flyte("signal", "condition", "r1", "amount", "three", expect=2)
    assert "is no int" in wrong.stderr
    flyte("signal", "condition", "r1", "amount", "3")
    again = flyte("signal", "condition", "r1", "amount", "4", expect=1)
    assert "answered already: 3 by" in again.stderr

    link = conditions("r1", "--link")["approve"]["link"]
    assert "Thank you" in post(link, value="true", name="Ada")
    ended = Ended.waited_for(run)
    assert ended.outputs == {"o0": "True 11"}

    told = conditions()
    assert told["approve"]["answer"]["channel"] == "link"
    assert told["approve"]["answer"]["name"] == "Ada"
    assert told["amount"]["answer"]["channel"] == "cli"
    assert marks.counts()["double"] == 1
    attempts = phase(parking)[1]
    assert attempts == marks.counts()["both"] > 1


def test_a_condition_outlives_control_plane_and_parent(plane: Plane, marks: Marks) -> None:
    begin(plane, "both", "--marks", str(marks))
    asked("approve", "amount")
    flyte("signal", "condition", "r1", "approve", "true")
    plane.kill()
    for process in plane.processes():
        if "flyte._entrypoints.host" in cmdline(process):  # the parent too: it was forked from it
            kill(process.pid)
    plane.start()
    assert conditions()["approve"]["answer"]["value"] is True
    flyte("signal", "condition", "r1", "amount", "5")
    wait_until(lambda: phase(plane)[0] == "ACTION_PHASE_SUCCEEDED", timeout_seconds=40)
    outputs = json.loads(flyte("-of", "json", "get", "io", "r1", "-o").stdout)
    assert outputs["outputs"] == {"o0": "True 13"}
    assert marks.counts()["double"] == 1


def test_a_plain_task_waits_without_a_process_too_and_the_api_answers(
    parking: Plane, marks: Marks
) -> None:
    run = begin(parking, "plain", "--marks", str(marks))
    asked("rate")
    wait_until(lambda: phase(parking)[0] == "ACTION_PHASE_PAUSED", timeout_seconds=30)
    sdk.init(endpoint=f"http://127.0.0.1:{parking.port}")
    condition = sdk.remote.Condition.get("rate", run_name="r1")
    assert condition is not None
    assert (condition.phase, condition.expected_type) == ("paused", float)
    with pytest.raises(TypeError, match="answered with a float"):
        condition.signal("much")
    condition.signal(3)
    with pytest.raises(sdk.errors.UnionRpcError, match=r"answered already: 3\.0 by"):
        condition.signal(4.0)
    assert Ended.waited_for(run).outputs == {"o0": 6.0}
    assert sdk.remote.Condition.get("none", run_name="r1") is None
    assert [each.name for each in sdk.remote.Condition.listall("r1")] == ["rate"]


def test_a_process_in_which_something_goes_on_stays(parking: Plane, marks: Marks) -> None:
    run = begin(parking, "busy", "--marks", str(marks))
    asked("approve")
    wait_until(lambda: phase(parking)[0] == "ACTION_PHASE_RUNNING", timeout_seconds=30)
    flyte("get", "action", "r1")
    flyte("get", "condition", "r1")  # two commands take longer than the pause before parking
    assert phase(parking) == ("ACTION_PHASE_RUNNING", 1)
    flyte("signal", "condition", "r1", "approve", "yes")
    assert Ended.waited_for(run).outputs == {"o0": "True True"}
    assert marks.counts()["busy"] == 1


def test_nobody_answers(plane: Plane) -> None:
    ended = plane.run("questioning.py", "late")
    assert ended.outputs is not None
    assert "Nobody answered the condition 'late' within 0.5 s" in ended.outputs["o0"]


def test_a_name_is_asked_once(plane: Plane) -> None:
    ended = plane.run("questioning.py", "twice")
    assert ended.outputs is not None
    assert "has asked a condition 'same' already" in ended.outputs["o0"]


def test_an_abort_ends_a_parked_run(parking: Plane, marks: Marks) -> None:
    begin(parking, "both", "--marks", str(marks))
    asked("approve", "amount")
    wait_until(lambda: phase(parking)[0] == "ACTION_PHASE_PAUSED", timeout_seconds=30)
    flyte("abort", "run", "r1")
    assert phase(parking)[0] == "ACTION_PHASE_ABORTED"
    assert {each["phase"] for each in conditions().values()} == {"aborted"}
    late = flyte("signal", "condition", "r1", "amount", "3", expect=1)
    assert "waits for no answer any more, it is aborted" in late.stderr


def test_unknown_runs_and_conditions_are_told_with_the_next_step(plane: Plane) -> None:
    plane.run("questioning.py", "twice", options=("--name", "r1"))
    none = flyte("signal", "condition", "r1", "none", "1", expect=1)
    assert "flyte get condition r1" in none.stderr
    assert flyte("get", "condition", "nowhere", expect=1).stderr


def test_a_local_run_asks_in_the_terminal(flyte_home: Path, marks: Marks) -> None:
    command = [str(FLYTE), "run", "--local", "questioning.py", "both", "--marks", str(marks)]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PROGRAMS
    )
    os.close(follower)
    os.write(leader, b"perhaps\ntrue\n3\n")
    out, _ = process.communicate(timeout=40)
    os.close(leader)
    text = out.decode()
    assert process.returncode == 0, text
    assert "'perhaps' is no bool; say true or false" in text
    assert "True 11" in text


def test_a_local_run_without_a_terminal_fails_clearly(flyte_home: Path, marks: Marks) -> None:
    ended = here("questioning.py", "both", "--marks", str(marks))
    assert ended.error is not None
    assert ended.error["code"] == "ConditionFailedError"
    assert "has no terminal to ask in" in ended.error["message"]
