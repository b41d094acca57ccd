"""What becomes of output on its way into a log, however it is cut into chunks."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import stored_logs

from flyte._entrypoints.scribe import records
from flyte._entrypoints.scribe.attempt_log import AttemptLog
from flyte._entrypoints.scribe.masking import MASK, Masker
from flyte._entrypoints.scribe.stamping import LONGEST_PIECE, PARTIAL_US, Stamper

OUTPUT = st.lists(
    st.sampled_from([b"a", b"b\xff", b"\n", b"\r", b"\r\n", b"\x00", b"long " * 9])
).map(b"".join)
SECRETS = st.lists(st.text("abc", min_size=4, max_size=6), min_size=1, max_size=4)


def chunks(text: bytes, cuts: list[int]) -> list[bytes]:
    """A text cut at some places."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[begin:end] for begin, end in itertools.pairwise(places)]


def stamped(pieces: list[bytes], *, ticks: bool = False) -> list[bytes]:
    stamper = Stamper(records.OUT, Masker(()))
    made, now_us = b"", 1
    for piece in pieces:
        made += stamper.feed(piece, now_us)
        now_us += PARTIAL_US
        made += stamper.tick(now_us) if ticks else b""
    return (made + stamper.close(now_us)).split(b"\n")[:-1]


def lines(made: list[bytes]) -> list[bytes]:
    """Lines of records, pieces joined, states of progress bars left out."""
    found: list[bytes] = []
    goes_on = False
    for record in made:
        if record[17:18] == records.PROGRESS:
            continue
        text = record[19:]
        found[-1:] = [found[-1] + text] if goes_on else [*found[-1:], text]
        goes_on = record[17:18] == records.PIECE
    return found


@given(OUTPUT, st.lists(st.integers(0)))
def test_how_output_is_cut_makes_no_difference(text: bytes, cuts: list[int]) -> None:
    assert lines(stamped(chunks(text, cuts))) == lines(stamped([text]))


@given(OUTPUT.map(lambda text: text.replace(b"\r", b"")), st.lists(st.integers(0)))
def test_partial_lines_are_joined_again_byte_by_byte(text: bytes, cuts: list[int]) -> None:
    expected = text.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert lines(stamped(chunks(text, cuts), ticks=True)) == expected


@given(SECRETS, st.text("abcd", max_size=60), st.lists(st.integers(0)))
def test_a_hidden_value_never_appears(secrets: list[str], text: str, cuts: list[int]) -> None:
    def masked(pieces: list[bytes]) -> bytes:
        masker = Masker(secrets)
        return b"".join(map(masker.feed, pieces)) + masker.close()

    found = masked(chunks(text.encode(), cuts))
    assert not any(secret.encode() in found for secret in secrets)
    assert found == masked([text.encode()])


def test_a_key_of_several_lines_is_hidden_line_by_line_too() -> None:
    masker = Masker(["-----BEGIN-----\nc2VjcmV0IGtleQ==\n"])
    assert masker.feed(b"it is c2VjcmV0IGtleQ== there\n") == b"it is " + MASK + b" there\n"


def test_a_progress_bar_comes_as_few_states_and_its_last_one() -> None:
    stamper = Stamper(records.ERR, Masker(()))
    made = b""
    for percent in range(100):
        made += stamper.feed(b"\r%d%%" % percent, percent * 10_000)
    made += stamper.feed(b"\n", 1_000_000)
    *states, last = made.split(b"\n")[:-1]
    assert 3 <= len(states) <= 6
    assert {state[17:18] for state in states} <= {records.PROGRESS, records.LINE}
    assert last[17:] == b"  99%"


def test_a_very_long_line_is_held_in_pieces() -> None:
    made = stamped([b"x" * 100_000] * 3)
    assert max(map(len, made)) <= LONGEST_PIECE + 19
    assert lines(made) == [b"x" * 300_000]


@pytest.mark.parametrize("document", [b"{no json}", b"[1]", b'{"fields": 1}'])
def test_what_only_looks_structured_is_a_line(document: bytes) -> None:
    (record,) = stamped([b"\x1e" + document + b"\n"])
    assert record[17:18] == records.LINE
    (record,) = stamped([b'\x1e{"message": "x"}\n'])
    assert record[17:] == b'j {"message": "x"}'


def test_above_its_bound_a_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "1.log"
    log = AttemptLog(str(path), limit_bytes=10_000)
    assert not path.parent.exists(), "who says nothing costs no file"
    for number in range(10_000):
        log.write(records.OUT, b"line %d\n" % number, number)
    log.close(20_000)
    files = sorted(path.parent.iterdir())
    assert sum(file.stat().st_size for file in files) < 11_000
    assert stored_logs.lines(path, "o")[0] == "line 0"
    assert stored_logs.lines(path, "o")[-1] == "line 9999"
    kept = len(stored_logs.lines(path, "o"))
    (notice,) = stored_logs.lines(files[1], "s")
    assert notice.startswith(f"{10_000 - kept} lines"), "exactly what is missing is counted"


def test_what_a_full_disk_does_not_take_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    log = AttemptLog(str(path))
    log.write(records.OUT, b"before\n", 1)
    usual = log._file._descriptor
    log._file._descriptor = full = os.open("/dev/full", os.O_WRONLY)
    log.write(records.OUT, b"lost\nlost too\n", 2)
    log._file._descriptor = usual
    os.close(full)
    log.write(records.OUT, b"after\n", 3)
    log.close(4)
    assert stored_logs.lines(path)[:3] == [
        *("before", "2 lines (14 bytes) could not be written: No space left on device", "after")
    ]
