"""Tasks that are deployed: versions, running them by name, and from one another."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import PROGRAMS, Ended, Marks, Plane, flyte, here, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder with the program, which a test may edit."""
    folder = tmp_path / "code"
    folder.mkdir()
    for name in ("deploying.py", "marking.py"):
        shutil.copy(PROGRAMS / name, folder)
    return folder


def deploy(code: Path, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(flyte("-of", "json", "deploy", *arguments, "deploying.py", cwd=code).stdout)


def version_of(tasks: list[dict[str, Any]]) -> str:
    (version,) = {task["version"] for task in tasks}
    return version


def edit(code: Path, factor: int) -> None:
    file = code / "deploying.py"
    file.write_text(file.read_text().replace("FACTOR = 2", f"FACTOR = {factor}"))


def run_deployed(plane: Plane, task: str, *inputs: str, cwd: Path) -> Ended:
    return plane.run("deployed-task", task, *inputs, cwd=cwd)


def test_a_version_keeps_its_code(plane: Plane, code: Path) -> None:
    planned = deploy(code, "--all", "--dry-run")
    assert {task["state"] for task in planned} == {"planned"}
    assert json.loads(flyte("-of", "json", "get", "task").stdout) == []

    first = json.loads(
        flyte("-of", "json", "deploy", "deploying.py", "deployed_app", cwd=code).stdout
    )
    assert {task["environment"] for task in first} == {"deployed_app", "deployed_tools"}
    assert {task["state"] for task in first} == {"deployed"}
    assert version_of(first) == version_of(planned)
    again = deploy(code, "--all")
    assert {task["state"] for task in again} == {"unchanged"}
    assert version_of(again) == version_of(first)

    edit(code, factor=5)
    second = deploy(code, "--all")
    assert {task["state"] for task in second} == {"deployed"}
    assert version_of(second) != version_of(first)

    elsewhere = code.parent  # nothing of the code is here
    old = run_deployed(plane, f"deployed_app.main:{version_of(first)}", "--n", "10", cwd=elsewhere)
    new = run_deployed(plane, "deployed_app.main", "--n", "10", cwd=elsewhere)
    assert (old.outputs, new.outputs) == ({"o0": 20}, {"o0": 50})
    # What was deployed last is the latest for everybody, the caller's own code is that of its version.
    mixed = run_deployed(
        plane, f"deployed_app.latest:{version_of(first)}", "--n", "1", cwd=elsewhere
    )
    assert mixed.outputs == {"o0": 5 + 10 + 2}

    versions = json.loads(flyte("-of", "json", "get", "task", "deployed_app.main").stdout)
    assert [each["version"] for each in versions] == [version_of(second), version_of(first)]
    assert all(each["deployed_by"] for each in versions)
    listed = json.loads(flyte("-of", "json", "get", "task", "--entrypoint").stdout)
    assert [each["taskId"]["name"] for each in listed] == ["deployed_app.main"]
    shown = flyte("get", "task", "deployed_tools.describe", version_of(first)).stdout
    assert "input mood" in shown
    assert "(has a default)" in shown


def test_a_version_is_immutable(plane: Plane, code: Path) -> None:
    deploy(code, "--all", "--version", "v1")
    assert {task["state"] for task in deploy(code, "--all", "--version", "v1")} == {"unchanged"}
    edit(code, factor=3)
    refused = flyte("deploy", "--all", "--version", "v1", "deploying.py", expect=None, cwd=code)
    assert refused.returncode != 0
    assert "version 'v1' exists with other content" in refused.stderr
    assert run_deployed(plane, "deployed_app.main:v1", "--n", "1", cwd=code).outputs == {"o0": 2}


def test_a_called_deployed_task_survives_the_death_of_its_caller(
    plane: Plane, code: Path, marks: Marks
) -> None:
    deploy(code, "--all")
    following = plane.begin(
        "deployed-task", "deployed_app.waiting", "--marks", str(marks), "--n", "1", name="killed"
    )
    wait_until(lambda: len(marks.lines("slow.pid")) == 2, timeout_seconds=30)
    edit(code, factor=9)
    deploy(code, "--all")  # another version comes while the run goes on
    kill(int(marks.lines("caller.pid")[0]))
    wait_until(lambda: len(marks.lines("caller.pid")) == 2, timeout_seconds=30)
    marks.put("go")
    ended = Ended.waited_for(following)
    assert ended.outputs == {"o0": 2 + 4 + 2}, ended.error
    counts = marks.counts()
    assert (counts["slow-1"], counts["slow-2"]) == (1, 1)
    names = [action["metadata"]["task"]["id"]["name"] for action in plane.actions("killed")]
    assert sorted(names) == [
        "deployed_app.waiting",
        "deployed_tools.scale",
        "deployed_tools.slow_scale",
        "deployed_tools.slow_scale",
    ]


def test_values_of_own_classes_reach_a_deployed_task(plane: Plane, code: Path) -> None:
    deploy(code, "--all")
    assert run_deployed(plane, "deployed_app.records", cwd=code).outputs == {
        "o0": "1/7 [2, 3] loud None"
    }
    told = run_deployed(
        plane,
        "deployed_tools.describe",
        *("--point", '{"x": 5}', "--points", '[{"x": 6, "y": 1}]', "--mood", "loud"),
        cwd=code.parent,
    )
    assert told.outputs == {"o0": "5/7 [6] loud None"}
    # The same tasks by their code: in a run of this folder the environments are not deployed under its version.
    local = here("deploying.py", "main", "--n", "1", cwd=code)
    assert local.error is not None
    assert "start the run on a control plane" in local.error["message"]


def test_what_is_wrong_is_said(plane: Plane, code: Path) -> None:
    deploy(code, "--all")
    failed = run_deployed(plane, "deployed_app.missing", cwd=code)
    assert failed.error is not None
    assert failed.error["code"] == "RemoteTaskNotFoundError"
    assert "did you mean 'deployed_tools.scale'" in failed.error["message"]

    def refusal(*arguments: str) -> str:
        done = flyte(*arguments, expect=2, cwd=code)
        return done.stderr

    asked = ("run", "deployed-task")
    assert "did you mean 'deployed_app.main'" in refusal(*asked, "deployed_app.mian", "--n", "1")
    assert "has no version 'v7'" in refusal(*asked, "deployed_app.main:v7", "--n", "1")
    assert "needs --n (int)" in refusal(*asked, "deployed_app.main")
    assert "'x' is not a valid integer" in refusal(*asked, "deployed_app.main", "--n", "x")
    assert "--local" in refusal("run", "--local", *asked[1:], "deployed_app.main", "--n", "1")
    assert "several environments (deployed_tools, deployed_app)" in refusal(
        "deploy", "deploying.py"
    )
    assert "did you mean 'deployed_app'" in refusal("deploy", "deploying.py", "deployed_ap")
    (code / "broken.py").write_text("import nothing_of_that_name")
    assert "nothing_of_that_name" in refusal("deploy", "--recursive", ".")
    done = flyte("-of", "json", "deploy", "--recursive", "--ignore-load-errors", ".", cwd=code)
    assert "left out" in done.stderr
    assert {each["environment"] for each in json.loads(done.stdout)} == {
        "deployed_app",
        "deployed_tools",
    }
