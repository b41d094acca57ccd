"""`flyte test crash`: tasks that are killed at every step, and what is said of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import PROGRAMS, ROOT, flyte

PROGRAM = PROGRAMS / "crashing.py"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_HOME", str(tmp_path / "home"))


@dataclass(frozen=True)
class Tried:
    """What the command told as JSON."""

    status: int
    document: dict[str, Any]

    @property
    def outcomes(self) -> dict[str, str]:
        """Verdicts by `step moment`."""
        return {f"{t['step']} {t['killed']}": t["outcome"] for t in self.document["trials"]}

    def at(self, outcome: str) -> set[str]:
        """The crashes with this verdict."""
        return {crash for crash, found in self.outcomes.items() if found == outcome}

    @property
    def subjects(self) -> list[str]:
        return [finding["subject"] for finding in self.document["findings"]]

    def executed_again(self, crash: str) -> list[str]:
        trials = self.document["trials"]
        return next(t["executed_again"] for t in trials if f"{t['step']} {t['killed']}" == crash)


def tried(*words: str, options: tuple[str, ...] = (), cwd: Path = PROGRAMS) -> Tried:
    done = flyte(
        *("-of", "json", "test", "crash"), *options, str(PROGRAM), *words, expect=None, cwd=cwd
    )
    assert done.stdout, done.stderr
    return Tried(done.returncode, json.loads(done.stdout))


def test_a_clean_task_is_repeatable_wherever_it_is_killed(tmp_path: Path) -> None:
    found = tried("clean", "--n", "1", cwd=tmp_path)
    assert found.status == 0
    assert found.document["result"] == "11"
    titles = [trial["what"] for trial in found.document["trials"][::2]]
    assert titles == [
        "crashing.clean begins",
        "crashing.double begins",
        "crashing.double ends",
        "trace fetch ends",
        "crashing.tenfold begins",
        "crashing.tenfold ends",
        "crashing.clean ends",
    ]
    assert set(found.outcomes.values()) == {"repeatable"}
    assert len(found.outcomes) == 14
    assert found.document["findings"] == found.document["twice"] == []
    assert found.executed_again("3 before") == ["crashing.double", "crashing.clean"]
    assert found.executed_again("3 after") == ["crashing.clean"]
    assert found.executed_again("4 before") == ["fetch", "crashing.clean"]
    assert found.executed_again("7 after") == []
    assert not list(tmp_path.glob("*.json")), "nothing is left behind"


def test_inputs_are_given_as_to_flyte_run(tmp_path: Path) -> None:
    found = tried("plain", "--words", '["a", "bc"]', options=("--at", "3"), cwd=tmp_path)
    assert found.status == 0
    assert found.document["result"] == "30"
    assert found.outcomes == {"3 before": "repeatable", "3 after": "repeatable"}


def test_a_random_argument_is_found_and_named(tmp_path: Path) -> None:
    done = flyte("test", "crash", str(PROGRAM), "drawing", expect=1, cwd=tmp_path)
    rows = [line.split("  ") for line in done.stdout.splitlines()[1:5]]
    verdicts = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert verdicts == [
        ["1", "crashing.drawing begins", "repeatable", "repeatable"],
        ["2", "crashing.double begins", "calls differ", "calls differ"],
        ["3", "crashing.double ends", "calls differ", "calls differ"],
        ["4", "crashing.drawing ends", "calls differ", "repeatable"],
    ]
    line = PROGRAM.read_text().splitlines().index("    await double(drawn)") + 1
    named = f"calls differ: crashing.double is called with another n ({PROGRAM.name}:{line})"
    assert named in done.stdout
    assert "before the crash" in done.stdout
    assert "seen when killed before 2, after 2, before 3, after 3, before 4" in done.stdout
    assert "@flyte.trace" in done.stdout
    assert "crashing.drawing is not repeatable: 5 of 8 crashes made a difference" in done.stdout


def test_a_file_that_is_written_twice_is_named(tmp_path: Path) -> None:
    found = tried("counting", options=("--at", "3", "--at", "4"), cwd=tmp_path)
    assert found.status == 0, "the result is the same all the same"
    (twice,) = found.document["twice"]
    assert (twice["step"], twice["what"]) == ("crashing.count", "appends to counter.txt")
    assert twice["crashes"] == ["3 before"]
    assert not (tmp_path / "counter.txt").exists(), "every trial works in a folder of its own"


def test_a_global_variable_is_found_by_its_result(tmp_path: Path) -> None:
    found = tried("remembering", options=("--at", "3"), cwd=tmp_path)
    assert found.status == 1
    assert found.outcomes == {"3 before": "repeatable", "3 after": "result differs"}
    assert found.document["findings"][0]["detail"] == "2 without a crash, 1 after it"


def test_a_step_that_stumbles_over_what_it_left_behind(tmp_path: Path) -> None:
    found = tried("making", cwd=tmp_path)
    assert found.status == 1
    assert found.at("fails after the crash") == {"3 before"}
    assert found.at("repeatable") == set(found.outcomes) - {"3 before"}
    assert "FileExistsError" in found.subjects[0]
    assert found.document["twice"][0]["what"] == "makes the folder made"


def test_a_run_that_waits_for_ever_after_the_crash(tmp_path: Path) -> None:
    found = tried("locking", options=("--at", "3", "--timeout", "8"), cwd=tmp_path)
    assert found.status == 1
    assert found.outcomes == {"3 before": "hangs", "3 after": "repeatable"}


def test_an_error_is_a_result_too(tmp_path: Path) -> None:
    found = tried("failing", options=("--max-steps", "2"), cwd=tmp_path)
    assert found.status == 0
    assert set(found.outcomes.values()) == {"repeatable"}
    assert [trial["step"] for trial in found.document["trials"]] == [1, 1, 3, 3]
    assert found.document["left_out"] == 2
    assert "no good" in found.document["result"]


def test_a_result_that_nobody_can_repeat(tmp_path: Path) -> None:
    done = flyte("test", "crash", "--at", "1", str(PROGRAM), "unstable", expect=1, cwd=tmp_path)
    assert "The result differs from run to run without any crash" in done.stdout
    assert "not repeatable, even without a crash" in done.stdout


def test_the_example_says_what_its_documentation_shows(tmp_path: Path) -> None:
    example = ROOT / "examples" / "crash.py"
    shown = example.read_text().partition('"""\n\n')[0]
    done = flyte("test", "crash", "--at", "3", str(example), "careless", expect=1, cwd=tmp_path)
    for line in done.stdout.replace("(crash.py", "(examples/crash.py").splitlines():
        if line.startswith(("calls differ", "    crash.settle appends")):
            assert line in shown
    assert "Seen to happen twice" in done.stdout
    flyte("test", "crash", "--at", "4", str(example), "careful", cwd=tmp_path)


def test_a_step_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = flyte("test", "crash", "--at", "9", str(PROGRAM), "failing", expect=2, cwd=tmp_path)
    assert "crashing.failing has the steps 1 to 4" in done.stderr


def test_an_option_in_the_wrong_place_is_explained(tmp_path: Path) -> None:
    done = flyte("test", "crash", str(PROGRAM), "failing", "--at", "1", expect=2, cwd=tmp_path)
    assert "write it before the file: flyte test crash --at" in done.stderr
