"""What is kept, shown and removed, with a real control plane and its real files."""

import json
from pathlib import Path

import pytest
from tests.e2e.plane import Marks, Plane, flyte
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def storage() -> dict[str, object]:
    return json.loads(flyte("-of", "json", "get", "storage").stdout)


def files_of(plane: Plane, run: str) -> list[Path]:
    return [*plane.home.rglob(run), *plane.home.glob("*/.removed/*")]


def delete(plane: Plane, run: str) -> None:
    assert f"run {run} is deleted" in flyte("delete", "run", run).stdout
    wait_until(lambda: not files_of(plane, run))
    assert "does not exist" in flyte("get", "run", run, expect=1).stderr


def test_a_run_that_is_deleted_leaves_nothing_and_the_cache_executes_again(
    plane: Plane, marks: Marks
) -> None:
    given = ("caching.py", "square", "--marks", str(marks), "--x", "3")
    first = plane.run(*given)
    again = plane.run(*given)
    assert first.outputs == again.outputs
    assert sum(marks.counts().values()) == 1  # the second run took the result of the first
    refused = flyte("delete", "run", first.run, expect=1)
    assert "another run took results of it" in refused.stderr

    shown = storage()
    assert shown["runs"] == 2
    assert {run["run"] for run in shown["largest"]} <= {first.run, again.run}
    table = flyte("get", "storage").stdout
    for line in ("database", "run data", "logs", "uploads", "limit", "disk", "next to go"):
        assert line in table

    delete(plane, again.run)
    delete(plane, first.run)
    assert storage()["runs"] == 0
    plane.run(*given)
    assert sum(marks.counts().values()) == 2


def test_a_run_that_goes_on_cannot_be_deleted(plane: Plane, marks: Marks) -> None:
    plane.begin("waiting_for_room.py", "main", "--marks", str(marks), "--count", "1", name="r")
    wait_until((marks.folder / "computed-0").exists, timeout_seconds=30)
    refused = flyte("delete", "run", "r", expect=1)
    assert "has not ended; stop it first with 'flyte abort run r'" in refused.stderr
    marks.put("go")


def test_a_server_that_keeps_little_removes_an_old_run_by_itself(
    plane: Plane, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = plane.run("caching.py", "square", "--marks", str(marks), "--x", "3")
    assert files_of(plane, ended.run)
    plane.shut_down()
    monkeypatch.setenv("FLYTE_SERVER_KEEP_DAYS", "0.00001")
    plane.start()
    wait_until(lambda: not files_of(plane, ended.run), timeout_seconds=60)
    assert "does not exist" in flyte("get", "run", ended.run, expect=1).stderr
    assert storage()["runs"] == 0
