"""Rerun and recover on a real control plane and in local mode: executed is exactly what the plan says."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import FLYTE, PROGRAMS, Ended, Marks, Plane, flyte, kill
from tests.support import wait_until

from flyte._runtime.inprocess import journal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FAILING = 'raise ValueError("leaf 11 is broken")'
TOTAL = sum(n + 10 * n + (10 * n + 1) + (10 * n + 2) for n in range(3))


@dataclass(frozen=True)
class Program:
    """A copy of the program that a test may edit, run in one of the two modes."""

    folder: Path
    marks: Marks
    mode: tuple[str, ...]

    @property
    def file(self) -> Path:
        return self.folder / "broken.py"

    def correct(self) -> None:
        text = self.file.read_text()
        assert FAILING in text
        self.file.write_text(text.replace(FAILING, "pass"))

    def run(self, name: str) -> Ended:
        return self._ended(
            "run", *self.mode, "--name", name, "broken.py", "main", "--marks", str(self.marks)
        )

    def rerun(self, run: str, *arguments: str) -> Ended:
        return self._ended("rerun", run, *self.mode, *arguments)

    def plan(self, run: str, *arguments: str) -> dict[str, Any]:
        told = flyte(
            *("-of", "json", "rerun", run, *self.mode, "--recover", "--plan", *arguments),
            cwd=self.folder,
        )
        return json.loads(told.stdout)

    def became(self, run: str, plan: dict[str, Any]) -> dict[str, str]:
        """What really became of the actions of a plan."""
        if self.mode:
            ended = journal.load(run).ended
            phases = {name: each.phase for name, each in ended.items()}
        else:
            rows = json.loads(flyte("-of", "json", "get", "action", run).stdout)
            phases = {each["id"]["name"]: each["status"]["phase"] for each in rows}
        words = {None: "covered", "recovered": "reuse", "ACTION_PHASE_RECOVERED": "reuse"}
        names = [step["action"] for step in plan["steps"]]
        return {name: words.get(phases.get(name), "execute") for name in names}

    def refused(self, *arguments: str) -> str:
        return flyte(*arguments, *self.mode, expect=None, cwd=self.folder).stderr

    def _ended(self, *command: str) -> Ended:
        return Ended.of(flyte("-of", "json", *command, expect=None, cwd=self.folder))

    def counted(self, do: Callable[[], Ended]) -> tuple[Ended, Counter[str]]:
        """How something ended, and what was executed for it."""
        before = Counter(self.marks.counts())
        ended = do()
        return ended, Counter(self.marks.counts()) - before


@pytest.fixture(params=["control plane", "local"])
def program(request: pytest.FixtureRequest, tmp_path: Path, marks: Marks) -> Program:
    folder = tmp_path / "code"
    folder.mkdir()
    for name in ("broken.py", "marking.py"):
        shutil.copy(PROGRAMS / name, folder / name)
    if request.param == "local":
        return Program(folder, marks, ("--local",))
    request.getfixturevalue("plane")
    return Program(folder, marks, ())


def decisions(plan: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter((step["task"], step["decision"]) for step in plan["steps"])


def test_recovers_after_the_function_was_corrected(program: Program) -> None:
    failed, executed = program.counted(lambda: program.run("first"))
    assert failed.phase == "failed"
    assert executed["leaf-12"] == 0, "never reached"

    program.correct()
    plan = program.plan("first")
    assert executed == program.marks.counts(), "a plan starts nothing"
    assert decisions(plan) == {
        ("broken.main", "execute"): 1,
        ("prepared", "reuse"): 2,
        ("prepared", "covered"): 2,
        ("broken.branch", "reuse"): 2,
        ("broken.branch", "execute"): 1,
        ("broken.leaf", "covered"): 6,
        ("broken.leaf", "reuse"): 1,
        ("broken.leaf", "execute"): 1,
    }
    why = {step["task"]: step["why"] for step in plan["steps"] if step["decision"] == "execute"}
    assert why["broken.leaf"] == "failed: ValueError: leaf 11 is broken"

    recovered, executed = program.counted(
        lambda: program.rerun("first", "--recover", "--name", "second")
    )
    assert recovered.outputs == {"o0": TOTAL}, recovered.error
    assert program.became("second", plan) == {
        step["action"]: step["decision"] for step in plan["steps"]
    }
    assert executed == {"main": 1, "branch-1": 1, "leaf-11": 1, "leaf-12": 1, "last": 1}

    again, executed = program.counted(
        lambda: program.rerun("second", "--recover", "--name", "third")
    )
    assert again.outputs == {"o0": TOTAL}
    assert not executed, "everything had succeeded"


def test_a_forced_action_is_executed_and_so_are_its_callers(program: Program) -> None:
    program.correct()
    program.run("first")
    steps = program.plan("first")["steps"]
    leaf = next(step for step in steps if step["group"] == "leaves of 1")
    plan = program.plan("first", "--force", leaf["action"])
    assert decisions(plan)["broken.leaf", "execute"] == 1
    assert {step["why"] for step in plan["steps"] if step["decision"] == "execute"} == {
        "forced by you",
        f"must call {leaf['action']}, which is forced",
    }
    ended, executed = program.counted(
        lambda: program.rerun("first", "--recover", "--force", leaf["action"])
    )
    assert ended.outputs == {"o0": TOTAL}
    assert executed == {"main": 1, "branch-1": 1, "leaf-10": 1}

    complaint = program.refused("rerun", "first", "--recover", "--force", leaf["action"] + "x")
    assert f"did you mean {leaf['action']}?" in complaint


def test_other_inputs_and_plain_reruns(program: Program) -> None:
    program.correct()
    program.run("first")
    same, executed = program.counted(lambda: program.rerun("first"))
    assert same.outputs == {"o0": TOTAL}
    assert executed["leaf-21"] == 1, "a plain rerun reuses nothing"
    other, executed = program.counted(
        lambda: program.rerun("first", "--recover", "--inputs", '{"n": 2}')
    )
    assert other.outputs == {"o0": TOTAL - 65}
    assert executed == {"main": 1, "last": 1}, "the same calls are reused, also under other inputs"
    complaint = program.refused("rerun", "first", "--input", "m=2")
    assert "no input 'm'" in complaint


def test_a_missing_output_fails_before_anything_starts(
    plane: Plane, tmp_path: Path, marks: Marks
) -> None:
    program = Program(PROGRAMS, marks, ())
    program.run("first")
    lost = next(
        step
        for step in program.plan("first")["steps"]
        if (step["task"], step["decision"]) == ("broken.leaf", "reuse")
    )
    (outputs,) = plane.home.glob(f"data/**/first/{lost['action']}/1/outputs.pb")
    outputs.unlink()
    assert program.plan("first")["missing"] == [lost["action"]]
    before = marks.counts()
    complaint = program.refused("rerun", "first", "--recover", "--name", "second")
    assert f"{lost['action']} (broken.leaf): {outputs} is gone" in complaint
    assert marks.counts() == before
    assert "second" not in flyte("get", "run").stdout
    _, executed = program.counted(
        lambda: program.rerun("first", "--recover", "--allow-missing-outputs")
    )
    assert executed["leaf-10"] == 1
    assert executed["leaf-2"] == 0


def test_relations_are_shown(plane: Plane, marks: Marks) -> None:
    program = Program(PROGRAMS, marks, ())
    program.run("first")
    program.rerun("first", "--recover", "--name", "second")
    actions = {
        each["metadata"].get("task", {}).get("shortName"): each for each in plane.actions("second")
    }
    assert actions["main"]["metadata"]["relation"]["relationType"] == "RELATION_TYPE_RECOVER"
    recovered = [
        each
        for each in plane.actions("second")
        if each["status"]["phase"] == "ACTION_PHASE_RECOVERED"
    ]
    assert len(recovered) == 5
    assert {each["metadata"]["recoveredFrom"]["run"]["name"] for each in recovered} == {"first"}
    shown = flyte("get", "run", "second").stdout
    assert "recovers" in shown
    assert "first" in shown


def test_from_python(plane: Plane, tmp_path: Path, marks: Marks) -> None:
    folder = tmp_path / "code"
    shutil.copytree(PROGRAMS, folder)
    program = Program(folder, marks, ())
    program.run("first")
    program.correct()
    done = subprocess.run(
        [sys.executable, "from_python.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == [
        ["succeeded", TOTAL],
        ["recovered", TOTAL],
        ["succeeded", 3],
        ["succeeded", 3],
    ]


def test_a_local_run_that_was_killed_goes_on(marks: Marks) -> None:
    command = ("run", "--local", "--name", "killed", "durable.py", "parent", "--marks", str(marks))
    process = subprocess.Popen(
        [str(FLYTE), *command],
        cwd=PROGRAMS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(marks.lines("in-flight.pid")) == 2, timeout_seconds=30)
    kill(process.pid)
    process.wait()
    plan = json.loads(
        flyte("-of", "json", "rerun", "killed", "--local", "--recover", "--plan").stdout
    )
    why = Counter((step["decision"], step["why"]) for step in plan["steps"])
    assert why == {("reuse", "succeeded in killed"): 6, ("execute", "never ended"): 3}
    marks.put("go")
    ended = Ended.of(flyte("-of", "json", "rerun", "killed", "--local", "--recover"))
    assert ended.outputs is not None
    assert ended.outputs["o0"] == [float(marks.lines(f"step-{n}")[0]) for n in range(4)]
    counts = marks.counts()
    assert {counts[f"child-{n}"] for n in range(4)} == {1}
    assert {counts[f"step-{n}"] for n in range(4)} == {1}
    assert {counts[f"in-flight-{n}"] for n in range(2)} == {2}
