"""Reading a log file that grows."""

from pathlib import Path

import pytest

from flyte_server.services.logs.files import Cursor, Ending, LogFiles
from flyte_server.services.logs.reader import LINES_IN_A_BATCH, LogReader
from flyte_server.services.logs.records import LONGEST_LINE, record


def read(reader: LogReader, *, to_the_end: bool) -> list[str]:
    return [line.text for line in reader.read(to_the_end=to_the_end)]


def everything(reader: LogReader, *, to_the_end: bool = True) -> list[str]:
    lines: list[str] = []
    while batch := read(reader, to_the_end=to_the_end):
        lines += batch
    return lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "1.log"


def test_a_line_is_told_when_it_is_whole_and_only_once(log: Path) -> None:
    reader = LogReader(log)
    assert read(reader, to_the_end=False) == []  # not there yet
    log.write_text("one\ntw")
    assert read(reader, to_the_end=False) == ["one"]
    assert read(reader, to_the_end=False) == []
    with log.open("a") as file:
        file.write("o\n\nfour")
    assert read(reader, to_the_end=False) == ["two", ""]
    assert read(reader, to_the_end=True) == ["four"]
    assert read(reader, to_the_end=True) == []


def test_many_lines_come_in_batches(log: Path) -> None:
    log.write_text("x\n" * (2 * LINES_IN_A_BATCH + 1))
    reader = LogReader(log)
    sizes: list[int] = []
    while batch := reader.read(to_the_end=False):
        sizes.append(len(batch))
    assert sizes == [LINES_IN_A_BATCH, LINES_IN_A_BATCH, 1]


def test_a_very_long_line_is_told_in_pieces_between_characters(log: Path) -> None:
    text = "€" * LONGEST_LINE + "\nnext\n"
    log.write_text(text)
    lines = everything(LogReader(log))
    assert "".join(lines[:-1]) == "€" * LONGEST_LINE
    assert lines[-1] == "next"
    assert max(len(line.encode()) for line in lines) <= LONGEST_LINE


def test_a_line_without_end_does_not_fill_the_memory(log: Path) -> None:
    log.write_bytes(b"x" * (5 * 1024 * 1024))
    reader = LogReader(log)
    total = 0
    while batch := read(reader, to_the_end=True):
        assert len(batch[0]) <= LONGEST_LINE
        total += sum(map(len, batch))
    assert total == 5 * 1024 * 1024


def test_what_is_no_text_is_shown_all_the_same(log: Path) -> None:
    log.write_bytes(b"a\xffb\r\n\x80" * 2 + b"\n")
    assert everything(LogReader(log))[0] == "a\N{REPLACEMENT CHARACTER}b"


def test_records_have_times_and_streams_and_pieces_are_joined(log: Path) -> None:
    log.write_text(
        record(1, "be", stream="o", kind="+")
        + record(2, "oops", stream="e")
        + record(3, "gin", stream="o")
        + record(4, "", kind="$")
    )
    lines = LogReader(log).read(to_the_end=True)
    assert [(line.text, line.at_us, line.stream) for line in lines] == [
        ("oops", 2, "e"),
        ("begin", 1, "o"),
    ]


def test_of_a_log_above_its_bound_the_reader_tells_what_is_left_out(log: Path) -> None:
    log.write_text(record(1, "head", stream="o"))
    for number in (4, 5):
        notice = record(2, f"{number} lines left out", kind="!")
        content = notice + record(3, f"part {number}", stream="o")
        log.with_name(f"{log.name}.{number}").write_text(content)
    assert everything(LogReader(log)) == ["head", "4 lines left out", "part 4", "part 5"]


def test_a_follower_who_is_too_slow_is_brought_near_the_end(log: Path) -> None:
    log.write_text("first\n")
    reader = LogReader(log)
    assert read(reader, to_the_end=False) == ["first"]
    assert read(reader, to_the_end=False) == []
    with log.open("a") as file:
        file.write(("x" * 999 + "\n") * 20_000 + "last\n")
    lines = everything(reader, to_the_end=False)
    assert "bytes are not shown here" in lines[0]
    assert lines[-1] == "last"
    assert sum(map(len, lines)) < 2_000_000


def test_a_log_says_whether_it_has_its_end(log: Path) -> None:
    files = LogFiles(log)
    assert files.ending() is Ending.MISSING
    log.write_text(record(1, "a", stream="o"))
    assert files.ending() is Ending.OPEN
    with log.open("a") as file:
        file.write(record(2, "", kind="$") + record(3, "a note"))
    assert files.ending() is Ending.WHOLE
    log.write_text("as it is\n")
    assert files.ending() is Ending.PLAIN


@pytest.mark.parametrize("text", ["x", "1:-2", "1", "a:b"])
def test_a_cursor_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Cursor.of(text)
