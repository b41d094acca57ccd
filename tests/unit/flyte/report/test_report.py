"""`flyte.report` as users write it: tabs, the running task's report, the timeline."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.runtime import FakeRuntime

import flyte.report
from flyte import errors
from flyte._context import RawDataPath, Scope, TaskContext, entered
from flyte._ids import ActionID
from flyte.report import Report, _live
from flyte.types import TypeEngine


@contextmanager
def task(folder: Path) -> Iterator[TaskContext]:
    context = TaskContext(
        action=ActionID(name="a0", run_name="r1"),
        version="",
        raw_data_path=RawDataPath(str(folder)),
        output_path=str(folder / "a0" / "1"),
        run_base_dir=str(folder),
        task_name="digits.train",
    )
    with _live.reported(context) as context, entered(Scope(FakeRuntime(), context)):
        yield context


def test_a_tab_collects_and_is_replaced() -> None:
    tab = Report("r").get_tab("t")
    tab.log("<p>1</p>")
    tab.log("<p>2</p>")
    assert tab.get_html() == "<p>1</p>\n<p>2</p>"
    tab.replace("<p>3</p>")
    assert (tab.get_html(), tab.content) == ("<p>3</p>", ["<p>3</p>"])


def test_a_tab_is_made_when_it_is_missing_unless_that_is_forbidden() -> None:
    report = Report("r")
    assert report.get_tab("a") is report.get_tab("a")
    with pytest.raises(errors.DefinitionError, match=r"'r' has no tab 'b'; it has: 'a'") as caught:
        report.get_tab("b", create_if_missing=False)
    assert isinstance(caught.value, ValueError)


@dataclass
class Score:
    folds: int


def test_a_value_is_rendered_by_its_type() -> None:
    tab = Report("r").get_tab("t")
    tab.log(Score(3))  # type: ignore[arg-type]
    assert tab.get_html() == TypeEngine.to_html(Score(3), Score)
    assert "3" in tab.get_html()


async def test_outside_of_tasks_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    flyte.report.log("<p>a</p>", do_flush=True)
    flyte.report.replace("<p>b</p>")
    flyte.report.flush()
    await flyte.report.log.aio("<p>c</p>", do_flush=True)
    await flyte.report.replace.aio("<p>b</p>")
    await flyte.report.flush.aio()
    flyte.report.get_tab("Other").log("<p>d</p>")
    flyte.report.Timeline("Other").row(label="e")
    assert not flyte.report.current_report().has_content(), "nobody keeps it"
    assert not caplog.records


async def test_verbs_write_into_the_running_tasks_report(tmp_path: Path) -> None:
    with task(tmp_path) as context:
        flyte.report.log("<p>1</p>")
        await flyte.report.log.aio("<p>2</p>")
        flyte.report.get_tab("Other").log("<p>3</p>")
        report = flyte.report.current_report()
        assert report is context.report
        assert report.name == "digits.train"
        assert {name: tab.content for name, tab in report.tabs.items()} == {
            "main": ["<p>1</p>", "<p>2</p>"],
            "Other": ["<p>3</p>"],
        }
        flyte.report.replace("<p>4</p>")
        assert report.get_tab("main").content == ["<p>4</p>"]
        with pytest.raises(errors.DefinitionError, match="has no tab 'Third'"):
            flyte.report.get_tab("Third", create_if_missing=False)


def test_the_page_says_which_action_it_is_about(tmp_path: Path) -> None:
    with task(tmp_path):
        flyte.report.log("<p>1</p>", do_flush=True)
        page = (tmp_path / "a0" / "1" / "report.html").read_text(encoding="utf-8")
    assert "<h1>digits.train</h1>" in page
    assert "<li>r1/a0</li>" in page


def test_the_timeline(tmp_path: Path) -> None:
    with task(tmp_path):
        timeline = flyte.report.Timeline("Calls")
        timeline.heading("Agent <1>")
        timeline.row(
            icon="🔧", label={"q": "<tides>"}, meta="12 ms", detail="a < b", error=KeyError("x")
        )
        html = flyte.report.get_tab("Calls").get_html()
    assert "Agent &lt;1&gt;" in html
    assert "{&#x27;q&#x27;: &#x27;&lt;tides&gt;&#x27;}" in html
    assert "<pre>a &lt; b</pre>" in html
    assert "KeyError: &#x27;x&#x27;" in html
    assert "12 ms" in html
    assert "style=" not in html, "it follows the reader's colours"


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        ("short", 300, "short"),
        ("x" * 301, 300, "x" * 299 + "…"),
        ([1, 2], 300, "[1, 2]"),
        ("abc", 0, "…"),
        (None, 300, "None"),
    ],
)
def test_abbreviate(value: object, limit: int, text: str) -> None:
    assert flyte.report.abbreviate(value, limit) == text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2025-01-31T12:00:00Z", "2025-01-31T12:00:01.5+00:00", "1500 ms"),
        ("2025-01-31T12:00:00", "2025-01-31T12:00:00", "0 ms"),
        ("2025-01-31T12:00:00Z", "2025-01-31T12:00:00", ""),
        (None, "2025-01-31T12:00:00", ""),
        ("yesterday", "today", ""),
    ],
)
def test_duration(start: object, end: object, text: str) -> None:
    assert flyte.report.duration_ms(start, end) == text
