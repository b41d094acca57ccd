"""The journal of a local run: what a reader makes of it, wherever it was torn."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte import errors
from flyte._runtime.inprocess import journal
from flyte._runtime.inprocess.journal import MAGIC, Begun, Called, Ended, Journal, Record

BEGUN = Begun("r1", "env.main", ["mod", "m", "instance", "main"], "/m.py", "/", b"inputs")
texts = st.text(max_size=20)
moments = st.integers(0, 2**60)
records = st.lists(
    st.one_of(
        st.builds(Called, texts, texts, texts, texts),
        st.builds(
            Ended,
            *[texts] * 4,
            st.sampled_from(["task", "trace"]),
            st.sampled_from(["succeeded", "failed"]),
            st.none() | st.binary(max_size=40),
            texts,
            moments,
            moments,
        ),
    ),
    max_size=8,
)


def content(written: list[Record]) -> bytes:
    return MAGIC + b"".join(map(journal.framed, written))


@given(records)
def test_what_is_written_is_read(written: list[Record]) -> None:
    assert list(journal.records(content(written))) == written


@given(records, st.data())
def test_of_a_torn_journal_everything_before_the_tear_is_read(
    written: list[Record], data: st.DataObject
) -> None:
    whole = content(written)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [len(content(written[:count])) for count in range(len(written) + 1)]
    kept = max((count for count, end in enumerate(ends) if end <= cut), default=0)
    assert list(journal.records(whole[:cut])) == written[:kept]


@given(records.filter(bool), st.data())
def test_a_damaged_record_and_what_follows_is_not_believed(
    written: list[Record], data: st.DataObject
) -> None:
    whole = bytearray(content(written))
    at = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    whole[at] ^= 0xFF
    found = list(journal.records(bytes(whole)))
    assert found == written[: len(found)]
    assert len(content(found)) <= at


def test_text_that_is_no_unicode_survives() -> None:
    call = Called("n", "a0", "env.\udcff", "")
    assert list(journal.records(content([call]))) == [call]


def test_a_run_is_told_by_its_journal(flyte_home: Path) -> None:
    written = Journal(journal.path_of("r1"))
    written.write(BEGUN)
    written.write(Called("a0", "", "env.main", ""))
    written.write(Called("c", "a0", "env.child", "g"))
    end = Ended("c", "a0", "env.child", "g", "task", "succeeded", b"out", "", 1, 2)
    written.write(end)
    written.close()
    told = journal.load("r1")
    assert told.begun == BEGUN
    assert list(told.called) == ["a0", "c"]
    assert told.ended == {"c": end}
    assert told.result is None, "its process died"


def test_runs_that_are_not_there_or_say_nothing(flyte_home: Path) -> None:
    with pytest.raises(errors.ActionNotFoundError, match="there are none; start one with"):
        journal.load("r1")
    Journal(journal.path_of("r1")).close()
    with pytest.raises(errors.ActionNotFoundError, match="damaged at its beginning"):
        journal.load("r1")
    with pytest.raises(errors.ActionNotFoundError, match="the latest are r1"):
        journal.load("r2")


def test_a_full_disk_ends_the_journal_and_not_the_run(
    flyte_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written = Journal(journal.path_of("r1"))
    written.write(BEGUN)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, written._file)
    os.close(full)
    with caplog.at_level(logging.WARNING):
        written.write(Called("a0", "", "env.main", ""))
        written.write(Called("c", "a0", "env.child", ""))
    written.close()
    (warning,) = caplog.messages
    assert "No space left on device" in warning
    assert "recovered only up to here" in warning


def test_old_journals_go_and_files_of_their_runs_stay(flyte_home: Path) -> None:
    for number in range(5):
        made = Journal(journal.path_of(f"r{number}"))
        made.write(BEGUN)
        made.close()
        os.utime(made.path, (number, number))
    (journal.path_of("r0").parent / "raw").mkdir()
    journal.prune(flyte_home, kept_runs=3)
    assert sorted(path.name for path in (flyte_home / "local").iterdir()) == [
        "r0",
        "r2",
        "r3",
        "r4",
    ]
    assert not journal.path_of("r0").exists()
    journal.prune(flyte_home, kept_bytes=journal.path_of("r4").stat().st_size)
    assert [path.parent.name for path in flyte_home.glob("local/*/journal")] == ["r4"]
