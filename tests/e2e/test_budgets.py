"""Who pays for a failure, which time limit ends a task, and how many run at once: with real processes."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, gone, here
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def run(plane: Plane, task: str, marks: Marks, *more: str, name: str) -> Ended:
    return plane.run("budgets.py", task, "--marks", str(marks), *more, options=("--name", name))


def told(name: str, action: str = "a0") -> dict[str, Any]:
    """What `flyte get action RUN NAME` knows, as JSON."""
    return json.loads(flyte("-of", "json", "get", "action", name, action).stdout)


def failures(name: str) -> tuple[int, int]:
    budgets = told(name)["budgets"]
    return budgets["user"]["failures"], budgets["system"]["failures"]


def test_the_user_does_not_pay_for_what_kills_a_task(plane: Plane, marks: Marks) -> None:
    ended = run(plane, "killed", marks, "--times", "2", name="killed")
    assert ended.phase == "succeeded", ended.error
    assert ended.outputs == {"o0": 2}
    assert failures("killed") == (0, 2)
    shown = flyte("get", "action", "killed", "a0").stdout
    assert "user failures 0 of 1, system failures 2 of 4" in shown
    assert "system's failure: Killed" in shown


def test_both_budgets_are_kept_apart(plane: Plane, marks: Marks) -> None:
    ended = run(plane, "mixed", marks, name="mixed")
    assert (ended.phase, ended.outputs) == ("succeeded", {"o0": 2})
    assert failures("mixed") == (1, 1)
    shown = flyte("get", "action", "mixed", "a0").stdout
    assert "user's failure: ValueError: the user's own" in shown


@pytest.mark.parametrize(
    ("how", "code", "attempts", "charged"),
    [
        ("final", "NonRecoverableError", 1, (1, 0)),
        ("user", "Wrong", 6, (6, 0)),
        ("exit", "SystemExit", 6, (6, 0)),
    ],
)
def test_what_another_attempt_would_not_change_ends_at_once(
    plane: Plane, marks: Marks, how: str, code: str, attempts: int, charged: tuple[int, int]
) -> None:
    ended = run(plane, "hopeless", marks, "--how", how, name="hopeless")
    assert ended.error is not None
    assert ended.error["code"] == code
    assert len(marks.lines(how)) == attempts
    assert failures("hopeless") == charged
    (marks.folder / how).unlink()
    locally = here("budgets.py", "hopeless", "--marks", str(marks), "--how", how)
    assert locally.error is not None
    assert (locally.error["code"], len(marks.lines(how))) == (code, attempts), "as in local mode"


def test_a_systems_error_of_user_code_is_paid_by_the_system(plane: Plane, marks: Marks) -> None:
    ended = run(plane, "hopeless", marks, "--how", "system", name="busy")
    assert ended.error is not None
    assert ended.error["code"] == "Busy"
    assert failures("busy") == (0, 4)


@pytest.mark.parametrize("task", ["plain", "blocked"])
def test_what_never_comes_back_runs_out_of_time(plane: Plane, marks: Marks, task: str) -> None:
    ended = run(plane, task, marks, name=task)
    assert ended.phase == "timed_out"
    assert ended.error is not None
    assert ended.error["code"] == "MaxRuntimeExceeded"
    assert f"budgets.{task} ran for " in ended.error["message"]
    assert "its max_runtime of 1 s" in ended.error["message"]
    wait_until(lambda: all(map(gone, marks.pids())), timeout_seconds=20)


def test_an_attempt_that_ran_out_of_time_is_paid_by_the_user(plane: Plane, marks: Marks) -> None:
    ended = run(plane, "second_try", marks, name="second")
    assert (ended.phase, ended.outputs) == ("succeeded", {"o0": 2})
    assert failures("second") == (1, 0)


def test_after_the_deadline_nothing_is_tried_again(plane: Plane, marks: Marks) -> None:
    ended = run(plane, "late", marks, name="late")
    assert ended.phase == "timed_out"
    assert ended.error is not None
    assert ended.error["code"] == "DeadlineExceeded"
    assert "deadline over all attempts is 2 s" in ended.error["message"]
    assert 1 <= len(marks.lines("late")) <= 3


def test_what_a_parent_called_ends_with_its_time(plane: Plane, marks: Marks) -> None:
    ended = run(plane, "parent", marks, name="parent")
    assert ended.phase == "timed_out"
    wait_until(lambda: marks.pids() and all(map(gone, marks.pids())), timeout_seconds=20)
    phases = {
        action["id"]["name"]: action["status"]["phase"]
        for action in wait_until(lambda: _all_ended(plane, "parent"), timeout_seconds=20)
    }
    assert sorted(phases.values()) == ["ACTION_PHASE_ABORTED", "ACTION_PHASE_TIMED_OUT"]


def _all_ended(plane: Plane, name: str) -> list[dict[str, Any]] | None:
    ended = {"ACTION_PHASE_ABORTED", "ACTION_PHASE_TIMED_OUT", "ACTION_PHASE_SUCCEEDED"}
    found = plane.actions(name)
    return found if all(each["status"]["phase"] in ended for each in found) else None


def test_who_waits_for_a_place_is_told_who_has_it(plane: Plane, marks: Marks) -> None:
    following = plane.spawn(
        *("-of", "json", "run", "--name", "crowd", "--max-action-concurrency", "1"),
        *("budgets.py", "crowd", "--marks", str(marks)),
    )
    wait_until(lambda: list(marks.folder.glob("held-*")), timeout_seconds=30)
    wait_until(lambda: len(plane.actions("crowd")) == 4, timeout_seconds=30)
    waiting = [
        each["id"]["name"]
        for each in plane.actions("crowd")
        if each["status"]["phase"] == "ACTION_PHASE_QUEUED"
    ]
    assert len(waiting) == 2
    (full,) = told("crowd", waiting[0])["waits"]["full"]
    assert (full["kind"], full["most"], len(full["holders"])) == ("run", 1, 1)
    assert "all 1 taken by crowd/" in flyte("get", "action", "crowd", waiting[0]).stdout
    marks.put("go")
    ended = Ended.waited_for(following)
    assert ended.outputs == {"o0": [0, 1, 2]}


def test_nested_calls_never_wait_for_each_other(plane: Plane) -> None:
    flyte("update", "limit", "environment", "deep", "1")
    ended = plane.run("budgets.py", "level", "--n", "8", options=("--max-action-concurrency", "1"))
    assert ended.outputs == {"o0": 0}
    (machine, deep) = json.loads(flyte("-of", "json", "get", "limit").stdout)["limits"]
    assert (machine["kind"], machine["alive"]) == ("machine", 0)
    assert (deep["name"], deep["most"], deep["alive"], deep["holders"]) == ("deep", 1, 0, [])
    flyte("delete", "limit", "environment", "deep")
    assert "deep" not in flyte("get", "limit").stdout


def test_a_call_that_waits_too_long_for_a_place_says_so(plane: Plane, marks: Marks) -> None:
    ended = plane.run(
        *("budgets.py", "queue_of_two", "--marks", str(marks)),
        options=("--max-action-concurrency", "1"),
    )
    assert ended.phase == "succeeded", ended.error
    said = str(ended.outputs and ended.outputs["o0"])
    assert "longer than its max_queued_time of 1 s" in said
    assert marks.lines("impatient") == []


def test_a_damaged_row_is_shown_and_stops_nothing(plane: Plane, marks: Marks) -> None:
    following = plane.begin("budgets.py", "crowd", "--marks", str(marks), name="crowd")
    wait_until(lambda: len(list(marks.folder.glob("held-*"))) == 3, timeout_seconds=30)
    damaged = plane.actions("crowd")[-1]["id"]["name"]
    policy = _rewrite(plane, damaged, "{")
    marks.put("go")
    wait_until(lambda: f"action {damaged} is set aside" in _shown("crowd"), timeout_seconds=30)
    assert "next try" in _shown("crowd")
    assert plane.run("budgets.py", "level", "--n", "1").phase == "succeeded", "others go on"
    _rewrite(plane, damaged, policy)
    assert Ended.waited_for(following).outputs == {"o0": [0, 1, 2]}
    assert marks.counts()["held-2"] == 1, "nothing was executed twice"


def _shown(name: str) -> str:
    return flyte("get", "action", name).stderr


def _rewrite(plane: Plane, action: str, policy: str) -> str:
    """Change a row behind the control plane's back; gives what stood there."""
    with closing(sqlite3.connect(plane.home / "state.db", timeout=10)) as store, store:
        (old,) = store.execute("SELECT policy FROM actions WHERE name = ?", (action,)).fetchone()
        store.execute("UPDATE actions SET policy = ? WHERE name = ?", (policy, action))
    return old
