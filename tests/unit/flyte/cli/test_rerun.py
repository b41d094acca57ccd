"""`flyte rerun` in this process: values in place of earlier ones, plans as tables, and runs in local mode."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from flyte._interface import NativeInterface
from flyte.cli.main import main
from flyte.cli.rerun import inputs, plans

SCRIPT = """
import flyte

env = flyte.TaskEnvironment(name="jobs")

@env.task
async def part(n: int) -> int:
    print("part", n)
    return n

@env.task
async def main(n: int, names: list[str] = []) -> int:
    total = await part(n) + len(names)
    if n == 1:
        raise ValueError("one is too few")
    return total
"""


def interface(**hints: Any) -> NativeInterface:
    return NativeInterface(
        {name: (hint, NativeInterface.no_default) for name, hint in hints.items()}, {}
    )


@pytest.fixture
def flyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """The command in a directory with one script; the module is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "rerun_jobs.py").write_text(SCRIPT)

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    yield command
    sys.modules.pop("rerun_jobs", None)


@pytest.mark.parametrize(
    ("document", "named", "expected"),
    [
        (None, [], {}),
        ('{"n": 5, "names": ["a"], "text": "5"}', [], {"n": 5, "names": ["a"], "text": "5"}),
        ('{"flag": true, "rate": 1}', [], {"flag": True, "rate": 1.0}),
        ('{"maybe": null}', [], {"maybe": None}),
        (
            None,
            [("n", "5"), ("names", '["b"]'), ("flag", "false")],
            {"n": 5, "names": ["b"], "flag": False},
        ),
        ('{"n": 1}', [("text", "x=y")], {"n": 1, "text": "x=y"}),
    ],
)
def test_values_are_read_as_flyte_run_reads_them(
    document: str | None, named: list[tuple[str, str]], expected: dict[str, Any]
) -> None:
    declared = interface(n=int, names=list[str], text=str, flag=bool, rate=float, maybe=int | None)
    assert inputs.given(document, named, declared) == expected


@pytest.mark.parametrize(
    ("document", "named", "complaint"),
    [
        ("[1]", [], "must be a JSON object"),
        ("{n: 1}", [], "not JSON"),
        ('{"m": 1}', [], "has no input 'm'"),
        ('{"n": "x"}', [], "'x' is not a valid integer"),
        ('{"n": null}', [], "cannot be null"),
        ('{"n": 1}', [("n", "2")], "given twice"),
    ],
)
def test_what_cannot_be_read_is_refused(
    document: str, named: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(click.UsageError, match=complaint):
        inputs.given(document, named, interface(n=int))


def test_inputs_may_stand_as_options() -> None:
    assert inputs.pairs(["--n", "5", "--learning-rate=0.1"]) == [
        ("n", "5"),
        ("learning_rate", "0.1"),
    ]
    with pytest.raises(click.UsageError, match="--n is no option of `flyte rerun`"):
        inputs.pairs(["--n"])
    with pytest.raises(click.UsageError, match="unexpected 'n'"):
        inputs.pairs(["n", "5"])


def test_a_plan_as_a_table() -> None:
    def step(action: str, parent: str, decision: str) -> dict[str, str]:
        step = {"action": action, "parent": parent, "task": f"env.{action}", "group": ""}
        return step | {"phase": "timed_out", "decision": decision, "why": "because"}

    table = plans.table(
        {"run": "r1", "steps": [step("a0", "", "execute"), step("c", "a0", "covered")]}
    )
    assert table.columns[3] == "in r1"
    assert table.rows[1] == ("  env.c", "c", "", "timed out", "(covered)", "because")


def test_a_local_run_is_corrected_and_recovered(
    flyte: Callable[..., Result], tmp_path: Path
) -> None:
    failed = flyte("run", "--local", "--name", "first", "rerun_jobs.py", "main", "--n", "1")
    assert failed.exit_code == 1
    assert "flyte rerun first --local --recover" in failed.stderr

    planned = flyte("rerun", "first", "--local", "--recover", "--plan")
    assert planned.exit_code == 0, planned.stderr
    assert (
        "1 reused, 1 executed, 0 covered by what is reused; nothing was started" in planned.stdout
    )
    assert "Calls that the earlier run never reached are executed too." in planned.stdout
    assert "part 1" not in planned.stdout

    again = flyte("rerun", "first", "--local", "--n", "2", "--name", "other")
    assert again.exit_code == 0, again.stderr
    assert "part 2" in again.stdout
    assert "o0=2" in again.stdout

    told = flyte("-of", "json", "rerun", "other", "--local", "--recover")
    assert json.loads(told.stdout)["outputs"] == {"o0": 2}
    assert "part" not in told.stderr, "the whole run is reused"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--plan"], "add --recover"),
        (["--force", "a0"], "add --recover"),
        (["--recover", "--action-name", "b"], "--recover goes with a whole run"),
        (["--code", "x.py", "--same-code"], "--code goes neither"),
        (["--same-code"], "a local run keeps no code"),
        (["--action-name", "b"], "a local run starts again as a whole only"),
        (["--recover", "--force", "nope"], "no action 'nope' that could be forced"),
        (["--input", "m=1"], "has no input 'm'"),
        (["--code", "nowhere.py"], "there is no file 'nowhere.py'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    flyte: Callable[..., Result], arguments: list[str], complaint: str
) -> None:
    flyte("run", "--local", "--name", "first", "rerun_jobs.py", "main", "--n", "2")
    done = flyte("rerun", "first", "--local", *arguments)
    assert done.exit_code in (1, 2)
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_is_not_there(flyte: Callable[..., Result]) -> None:
    done = flyte("rerun", "nothing", "--local")
    assert done.exit_code == 1
    assert "there is no local run 'nothing'" in done.stderr
