"""The scribe beside a real host."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests import stored_logs
from tests.support import wait_until
from tests.unit.flyte.entrypoints.test_host import LINGER_SECONDS, Speaker


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[Speaker]:
    made = Speaker(tmp_path / "home", "--linger", str(LINGER_SECONDS))
    made.hear("hello")
    made.hear("ready")
    yield made
    made.hang_up()
    made.process.kill()
    made.end()


def scribe_of(speaker: Speaker) -> psutil.Process:
    """The child of the host that is in no attempt's session."""
    (found,) = psutil.Process(speaker.process.pid).children()
    return found


def test_hidden_values_are_masked_and_the_bound_is_kept(speaker: Speaker) -> None:
    speaker.say(
        "launch",
        key=[1, "a"],
        argv=["a0", "speak", ""],
        env={"PATH": os.environ["PATH"]},
        log_path=str(speaker.home / "log" / "a"),
        output_prefix="out",
        hidden_env={"KEY": "from print", "OTHER": "from os.write\n"},
        log_bytes=240,
    )
    speaker.hear("started")
    speaker.hear("exited")
    log = speaker.home / "log" / "a"
    wait_until(lambda: stored_logs.is_whole(log))
    found = stored_logs.said(log)
    assert "***\n***" in found
    assert "from print" not in found
    assert "from os.write" not in found
    assert any(log.parent.glob("a.*")), "the bound has begun another file"


def test_a_scribe_that_dies_is_replaced_and_nobody_notices(
    speaker: Speaker, tmp_path: Path
) -> None:
    wait_until(lambda: len(psutil.Process(speaker.process.pid).children()) == 1)
    first = scribe_of(speaker)
    speaker.launch("talk_until", tmp_path / "end")
    speaker.hear("started")
    log = speaker.home / "log" / "a"
    wait_until(lambda: "still here" in stored_logs.lines(log))
    first.send_signal(signal.SIGKILL)
    wait_until(lambda: any("was replaced" in line for line in stored_logs.lines(log, "s")))
    seen = len(stored_logs.lines(log, "o"))
    wait_until(lambda: len(stored_logs.lines(log, "o")) > seen)
    (tmp_path / "end").write_text("0")
    assert speaker.hear("exited")["code"] == 0
    wait_until(lambda: stored_logs.is_whole(log))


def test_what_was_written_before_the_host_died_is_kept_and_the_scribe_ends(
    speaker: Speaker, tmp_path: Path
) -> None:
    speaker.launch("talk_until", tmp_path / "end")
    speaker.hear("started")
    log = speaker.home / "log" / "a"
    wait_until(lambda: "still here" in stored_logs.lines(log))
    processes = psutil.Process(speaker.process.pid).children()
    scribe = next(each for each in processes if each.cwd() == "/")
    for _ in range(3):
        scribe.terminate()  # it ends when there is nothing left to write, not before
    speaker.process.kill()
    wait_until(lambda: stored_logs.is_whole(log))
    wait_until(lambda: not scribe.is_running())
