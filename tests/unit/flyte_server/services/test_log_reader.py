"""Reading a log file that grows."""

from pathlib import Path

import pytest

from flyte_server.services.logs import LINES_IN_A_BATCH, LONGEST_LINE, LogReader


def everything(reader: LogReader, *, to_the_end: bool = True) -> list[str]:
    lines: list[str] = []
    while batch := reader.read(to_the_end=to_the_end):
        lines += batch
    return lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "1.log"


def test_a_line_is_told_when_it_is_whole_and_only_once(log: Path) -> None:
    reader = LogReader(log)
    assert reader.read(to_the_end=False) == []  # not there yet
    log.write_text("one\ntw")
    assert reader.read(to_the_end=False) == ["one"]
    assert reader.read(to_the_end=False) == []
    with log.open("a") as file:
        file.write("o\n\nfour")
    assert reader.read(to_the_end=False) == ["two", ""]
    assert reader.read(to_the_end=True) == ["four"]
    assert reader.read(to_the_end=True) == []


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
    while batch := reader.read(to_the_end=True):
        assert len(batch[0]) <= LONGEST_LINE
        assert len(reader._rest) <= 2 * 1024 * 1024
        total += sum(map(len, batch))
    assert total == 5 * 1024 * 1024


def test_what_is_no_text_is_shown_all_the_same(log: Path) -> None:
    log.write_bytes(b"a\xffb\r\n\x80" * 2 + b"\n")
    assert everything(LogReader(log))[0] == "a\N{REPLACEMENT CHARACTER}b"
