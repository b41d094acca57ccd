"""Cached tasks with real processes: the same decisions in this process and on a control plane, and their reasons."""

import json
from pathlib import Path

import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, here
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

VALUES = {
    "squares": [4, 9, 4],
    "ordered": [["b", "a"], ["b", "a"]],
    "alone": [-1, -1, -1, -2],
    "always": [1, 1],
    "without_version": [2, 2],
    "pickled": [3, 3],
    "length": [7, 7],
    "written": 4,
}
ONCE = {"square-2", "square-3", "ordered", "alone-1", "alone-2", "length", "written"}
"""Executed once, however often the run is repeated."""
EACH_TIME = {"always", "without-version", "pickled"}
"""Executed whenever they are called: twice in every run."""


def explained(run: str, action: str = "a0") -> str:
    found = json.loads(flyte("-of", "json", "get", "action", run, action).stdout)
    return found.get("cache", {}).get("summary", "")


def test_the_same_is_executed_in_both_modes(plane: Plane, tmp_path: Path) -> None:
    remote_marks, local_marks = Marks(tmp_path / "remote"), Marks(tmp_path / "local")
    for times in (1, 2):
        remote = plane.run("caching.py", "main", "--marks", str(remote_marks))
        local = here("caching.py", "main", "--marks", str(local_marks))
        assert remote.outputs is not None, remote.error
        assert local.outputs is not None, local.error
        assert remote.outputs["o0"] == local.outputs["o0"] == VALUES
        expected = dict.fromkeys(ONCE, 1) | dict.fromkeys(EACH_TIME, 2 * times)
        assert remote_marks.counts() == expected
        assert local_marks.counts() == expected


def test_flyte_get_action_says_why(plane: Plane, marks: Marks, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    source = (
        "import flyte\n"
        "env = flyte.TaskEnvironment('env')\n"
        "@env.task(cache='auto')\n"
        "async def job(x: int, y: int = 1) -> int:\n"
        "    return x + y\n"
    )

    def run(name: str, *arguments: str) -> str:
        ended = plane.run(program, "job", *arguments, options=("--name", name))
        assert ended.status == 0, ended.error
        return explained(name)

    program.write_text(source)
    assert run("r1", "--x", "1") == "miss: the first call of the task"
    assert run("r2", "--x", "1").startswith("hit: the outputs of r1/a0, ")
    program.write_text(source.replace("return", "# a comment\n    return"))
    assert run("r3", "--x", "1").startswith("hit: the outputs of r1/a0, ")
    assert run("r4", "--x", "2") == "miss: input x changed since r1/a0"
    program.write_text(source.replace("x + y", "x - y"))
    assert run("r5", "--x", "1") == "miss: code changed since r1/a0"
    program.write_text(source.replace("'auto'", "flyte.Cache('auto', salt='s')"))
    assert run("r6", "--x", "1") == "miss: salt changed since r1/a0"
    program.write_text(source)
    told = flyte("run", "--name", "r7", "--overwrite-cache", str(program), "job", "--x", "1")
    assert told.returncode == 0
    assert explained("r7") == "executed to replace what was kept: the run overwrites the cache"
    table = flyte("get", "action", "r2", "a0").stdout
    assert "hit: the outputs of r1/a0" in table
    assert " hit " in flyte("get", "action", "r2").stdout
    assert " miss " in flyte("get", "action", "r5").stdout


def test_equal_runs_wait_for_one_and_survive_the_control_plane(plane: Plane, marks: Marks) -> None:
    arguments = ("in_flight", "--marks", str(marks), "--x", "7")
    begun = [plane.begin("caching.py", *arguments, name=f"r{number}") for number in range(3)]
    wait_until(lambda: len(marks.lines("in-flight")) == 1)
    wait_until(
        lambda: sum("waits for r" in explained_if_there(f"r{number}") for number in range(3)) == 2
    )
    plane.kill()
    plane.start()
    marks.put("go")
    ended = [Ended.waited_for(process) for process in begun]
    assert [each.outputs for each in ended] == [{"o0": 7}] * 3
    assert marks.counts()["in-flight"] == 1


def explained_if_there(run: str) -> str:
    done = flyte("-of", "json", "get", "action", run, "a0", expect=None)
    return done.stdout if done.returncode == 0 else ""


def test_a_local_run_says_why_and_forgets_on_demand(marks: Marks, flyte_home: Path) -> None:
    def run(x: int) -> str:
        arguments = ("caching.py", "square", "--marks", str(marks), "--x", str(x))
        return flyte("-vv", "run", "--local", *arguments).stderr

    assert "cached.square" in (first := run(2))
    assert "miss: the first call of the task" in first
    assert "hit: the outputs of " in run(2)
    assert "miss: input x changed since " in run(3)
    assert marks.counts() == {"square-2": 1, "square-3": 1}
    assert json.loads(flyte("-of", "json", "delete", "local-cache").stdout) == {"deleted": 2}
    assert "2 cached results" not in flyte("delete", "local-cache").stdout
    run(2)
    assert marks.counts()["square-2"] == 2
