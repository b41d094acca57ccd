"""When a report is written, and that the last state is what remains."""

import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import eventually, wait_until

from flyte import storage
from flyte._context import RawDataPath, TaskContext
from flyte._ids import ActionID
from flyte._kit import aio
from flyte.report import _live
from flyte.report._live import LiveReport


def context(folder: Path) -> TaskContext:
    return TaskContext(
        action=ActionID(name="a0", run_name="r1"),
        version="",
        raw_data_path=RawDataPath(str(folder)),
        output_path=str(folder / "out"),
        run_base_dir=str(folder),
        task_name="digits.train",
    )


@pytest.fixture
def opened(tmp_path: Path) -> TaskContext:
    return _live.opened(context(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out" / "report.html"


def flush(opened: TaskContext) -> None:
    rest = report(opened).publisher.flush()
    if rest is not None:
        aio.background().wait(rest)


def content(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def report(opened: TaskContext) -> LiveReport:
    assert isinstance(opened.report, LiveReport)
    return opened.report


def show(opened: TaskContext, content: str) -> None:
    report(opened).get_tab("main").replace(content)
    flush(opened)


def test_a_flush_is_visible_at_once_and_starts_no_thread(opened: TaskContext, file: Path) -> None:
    before = set(threading.enumerate())
    show(opened, "<p>one</p>")
    assert "<p>one</p>" in content(file)
    assert set(threading.enumerate()) == before
    assert [each.name for each in file.parent.iterdir()] == ["report.html"], "no half-written file"


def test_without_content_no_file_is_made(opened: TaskContext, file: Path) -> None:
    flush(opened)
    assert _live.close(opened) is None
    assert not file.parent.exists()


def test_many_flushes_are_few_writes_and_the_last_one_wins(opened: TaskContext, file: Path) -> None:
    show(opened, "<p>0</p>")
    seen = {file.stat().st_ino}
    for number in range(1, 2001):
        show(opened, f"<p>{number}</p>")
        seen.add(file.stat().st_ino)
    assert len(seen) < 20
    wait_until(lambda: "<p>2000</p>" in content(file))


def test_the_end_writes_what_was_not_flushed(opened: TaskContext, file: Path) -> None:
    show(opened, "<p>first</p>")
    report(opened).get_tab("main").replace("<p>last</p>")
    assert _live.close(opened) == str(file)
    assert "<p>last</p>" in content(file)


def test_the_end_does_not_wait_for_a_pause(opened: TaskContext, file: Path) -> None:
    for number in range(5):
        show(opened, f"<p>{number}</p>")
    _live.close(opened)
    assert "<p>4</p>" in content(file)


def test_what_is_there_already_is_not_written_again(opened: TaskContext, file: Path) -> None:
    show(opened, "<p>one</p>")
    first = file.stat().st_ino
    _live.close(opened)
    assert file.stat().st_ino == first


def test_after_the_end_nothing_is_written(opened: TaskContext, file: Path) -> None:
    show(opened, "<p>one</p>")
    _live.close(opened)
    show(opened, "<p>too late</p>")
    assert "too late" not in content(file)


def test_a_block_that_fails_leaves_its_report(tmp_path: Path, file: Path) -> None:
    def work() -> None:
        with _live.reported(context(tmp_path)) as opened:
            report(opened).get_tab("main").log("<p>as far as it came</p>")
            raise KeyError("rows")

    with pytest.raises(KeyError):
        work()
    assert "as far as it came" in content(file)


async def test_a_large_report_does_not_stop_the_loop_of_the_task(
    opened: TaskContext, file: Path
) -> None:
    row = "<p>0123456789</p>"
    report(opened).get_tab("main").log(row * (50_000_000 // len(row)))
    rest = report(opened).publisher.flush()
    assert rest is not None, "left to the background loop"
    await aio.background().join(rest)
    assert len(content(file)) > 50_000_000
    report(opened).get_tab("main").replace("<p>small again</p>")
    assert await _live.close_aio(opened) == str(file)
    assert "small again" in content(file)


async def test_in_an_object_store_the_last_state_wins_too(tmp_path: Path) -> None:
    place = f"memory://reports/{tmp_path.name}"
    with _live.reported(replace(context(tmp_path), output_path=place)) as opened:
        for number in range(20):
            report(opened).get_tab("main").replace(f"<p>{number}</p>")
            rest = report(opened).publisher.flush()
            if rest is not None:
                await aio.background().join(rest)
    page = await aio.background().join(storage.read(f"{place}/report.html"))
    assert b"<p>19</p>" in page


async def test_states_from_several_threads_never_go_backwards(
    opened: TaskContext, file: Path
) -> None:
    def work(name: str) -> None:
        for number in range(300):
            report(opened).get_tab(name).replace(f"<p>{name}{number}</p>")
            flush(opened)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    await eventually(lambda: not any(thread.is_alive() for thread in threads))
    await _live.close_aio(opened)
    page = content(file)
    assert all(f"<p>{name}299</p>" in page for name in "abcd")


def test_a_report_that_cannot_be_written_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    opened = _live.opened(context(tmp_path))
    for number in range(3):
        show(opened, f"<p>{number}</p>")
    assert _live.close(opened) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "report.html cannot be written" in record.getMessage()
    assert "the task goes on" in record.getMessage()


def test_each_attempt_has_a_report_of_its_own(tmp_path: Path) -> None:
    first = _live.opened(context(tmp_path))
    again = _live.opened(replace(first, attempt_number=1, output_path=str(tmp_path / "2")))
    show(first, "<p>of the first</p>")
    show(again, "<p>second</p>")
    page = (tmp_path / "2" / "report.html").read_text(encoding="utf-8")
    assert "of the first" not in page
    assert "<li>attempt 2</li>" in page


def test_reports_of_a_local_run_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flyte.report")
    _live.tell_local(str(tmp_path))
    assert not caplog.records
    for attempt in (2, 10):
        file = tmp_path / "a0" / str(attempt) / "report.html"
        file.parent.mkdir(parents=True)
        file.touch()
        _live.tell_local(str(tmp_path))
    assert [each.getMessage() for each in caplog.records] == [
        f"the report of this run: {tmp_path}/a0/2/report.html",
        f"2 reports of this run: {tmp_path}/*/*/report.html",
    ]
    assert [path.parent.name for path in _live.local(tmp_path)] == ["2", "10"]
