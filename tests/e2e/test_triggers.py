"""Triggers with the real command line: deployed with their task, or made for one that is deployed."""

import json
from typing import Any

import pytest
from tests.e2e.plane import Plane, flyte
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def triggers(*arguments: str) -> list[dict[str, Any]]:
    """What `flyte get trigger` lists, as JSON."""
    return json.loads(flyte("-of", "json", "get", "trigger", *arguments).stdout)


def state(task: str, name: str) -> dict[str, Any]:
    """When a trigger ticks next, and what became of its last run."""
    return next(each for each in triggers(task) if each["id"]["name"]["name"] == name)["state"]


def test_a_trigger_that_is_deployed_with_its_task_starts_it(plane: Plane) -> None:
    flyte("deploy", "triggered.py", "env")
    wait_until(
        lambda: state("triggered.note", "soon")["last_phase"] == "succeeded", timeout_seconds=40
    )
    ran = state("triggered.note", "soon")
    told = json.loads(flyte("-of", "json", "get", "io", ran["last_run"]).stdout)
    assert "by itself at 20" in str(told)
    assert "+00:00" in str(told)
    (run,) = json.loads(flyte("-of", "json", "get", "run", "--with-label", "team=ops").stdout)
    assert run["action"]["metadata"]["triggerName"] == "soon"
    assert ran["next_tick"] > ran["last_tick"]
    shown = flyte("get", "trigger").stdout
    assert "every 1440 minutes" in shown
    assert "active" in shown
    assert "succeeded" in shown


def test_the_life_of_a_trigger_that_is_made_for_a_deployed_task(plane: Plane) -> None:
    flyte("deploy", "triggered.py", "env")
    task = "triggered.wait"
    made = flyte(
        "create",
        "trigger",
        task,
        "nightly",
        "--schedule",
        "0 3 * * *",
        "--timezone",
        "Europe/Berlin",
    )
    assert "trigger nightly starts triggered.wait" in made.stdout
    (listed,) = triggers(task)
    assert listed["active"]
    assert listed["state"]["next_tick"]
    assert listed["state"]["last_run"] is None
    flyte("update", "trigger", "nightly", task, "--deactivate")
    run = json.loads(flyte("-of", "json", "start", "trigger", "nightly", task).stdout)
    name = run["action"]["id"]["run"]["name"]
    assert run["action"]["metadata"]["triggerName"] == "nightly"
    wait_until(lambda: plane.actions(name)[0]["status"]["phase"].endswith("SUCCEEDED"))
    assert state(task, "nightly")["next_tick"] is None
    plane.kill()
    plane.start()
    (listed,) = triggers(task)
    assert not listed.get("active", False), "it stays so across a crash"
    flyte("update", "trigger", "nightly", task, "--activate")
    shown = flyte("get", "trigger", task, "nightly").stdout
    assert "trigger_time" in shown
    assert "0 3 * * * Europe/Berlin" in shown
    flyte("delete", "trigger", "nightly", task)
    assert triggers(task) == []
    assert "there are no triggers" in flyte("get", "trigger", task).stdout


def test_what_is_wrong_is_said_with_the_next_step(plane: Plane) -> None:
    flyte("deploy", "triggered.py", "env")
    wrong = {
        ("triggered.nobody", "t", "--schedule", "0 3 * * *"): "triggered.nobody",
        ("triggered.wait", "t", "--schedule", "0 3 * *"): "has 4 fields",
        ("triggered.wait", "t", "--schedule", "0 3 31 2 *"): "cannot be understood",
        ("triggered.wait", "t", "--schedule", "0 3 * * *", "--timezone", "Mars"): "no time zone",
        ("triggered.wait", "t"): "--every",
        ("triggered.wait", "t", "--every", "5", "--trigger-time-var", "word"): "no datetime",
        ("triggered.note", "t", "--every", "5"): "no value for 'at', 'text'",
    }
    for arguments, said in wrong.items():
        done = flyte("create", "trigger", *arguments, expect=None)
        assert said in done.stderr, done.stderr
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
    assert "does not exist" in flyte("delete", "trigger", "x", "triggered.wait", expect=None).stderr
