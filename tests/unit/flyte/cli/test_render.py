"""Tables, JSON, and progress in places that are no terminal."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

import pydantic
import pytest

from flyte._phases import ActionPhase
from flyte.cli import render
from flyte.cli.render import PlainScreen, Table
from flyte.remote._progress import FailedAction, Snapshot


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen().table(Table(("name", "n"), [("a", "1"), ("longer", "22")]))
    assert capsys.readouterr().out.splitlines() == ["name    n", "a       1", "longer  22"]


def test_facts_need_no_heading(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen().table(Table(("", ""), [("run", "r1"), ("phase", "failed")]))
    assert capsys.readouterr().out.splitlines() == ["run    r1", "phase  failed"]


def test_records_enums_and_moments_are_json() -> None:
    class Colour(Enum):
        RED = "r"

    class Model(pydantic.BaseModel):
        n: int

    @dataclass
    class Record:
        colour: Colour
        model: Model
        at: datetime

    record = Record(Colour.RED, Model(n=1), datetime(2026, 1, 1, tzinfo=UTC))
    assert render.as_json(record, compact=True) == (
        '{"colour": "r", "model": {"n": 1}, "at": "2026-01-01T00:00:00+00:00"}'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0841, "84 ms"), (1.4242, "1.42 s"), (200, "3 m 20 s"), (7260, "2 h 1 m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert render.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_700, "1 MB"), (5 * 10**12, "5 TB")],
)
def test_sizes(number: int, text: str) -> None:
    assert render.size(number) == text


def snapshot(**phases: int) -> Snapshot:
    counts = {ActionPhase(name): number for name, number in phases.items()}
    return Snapshot("r1", ActionPhase.RUNNING, {"main": counts}, ())


def test_a_run_in_one_line() -> None:
    assert render.summary(snapshot(running=3, succeeded=1)) == "1 of 4 actions done"
    assert render.summary(snapshot(failed=1, timed_out=2)) == "3 of 3 actions done, 3 failed"
    ending = replace(snapshot(running=3), endings={"aborting": 2, "timing out": 1})
    assert render.summary(ending) == "0 of 3 actions done, 2 aborting, 1 timing out"


def test_a_complaint_names_action_task_and_cause() -> None:
    failed = FailedAction("b1", "env.train", ActionPhase.FAILED, "ValueError: no rows", 3)
    assert render.complaint(failed) == "env.train b1 failed (attempt 3): ValueError: no rows"


def test_progress_goes_to_stderr_and_not_more_often_than_needed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with PlainScreen().progress() as progress:
        progress.show(snapshot(running=1))
        progress.say("something failed")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "something failed\n"


def test_a_long_value_is_shown_by_its_beginning() -> None:
    assert render.as_text(["short"]) == "['short']"
    shown = render.as_text("x" * 1_000_000)
    assert len(shown) < 70_000
    assert shown.startswith("'xxx")
    assert shown.endswith("… (1,000,002 characters in all; flyte -of json prints them)")
