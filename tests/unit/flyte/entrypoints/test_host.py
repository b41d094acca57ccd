"""A host as a process, spoken with directly."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support import wait_until

FAKE_HOST = Path(__file__).parents[2] / "flyte_server" / "executors" / "fake_host.py"


LINGER_SECONDS = 0.5


class Speaker:
    """A control plane of few words."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(FAKE_HOST), "--home", str(home), "--id", "h-1", *options),
                *("--connection", str(theirs.fileno())),
            ],
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._use(ours)

    def _use(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(10)
        self.lines = self.connection.makefile("rb")

    def reconnect(self) -> None:
        self.hang_up()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(json.loads(self.record.read_text())["socket"])
        self._use(connection)

    @property
    def record(self) -> Path:
        return self.home / "hosts" / "h-1.json"

    def say(self, op: str, **fields: Any) -> None:
        self.connection.sendall(json.dumps({"op": op, **fields}).encode() + b"\n")

    def hear(self, op: str) -> dict[str, Any]:
        """The next message, which must be this one."""
        message = json.loads(self.lines.readline())
        assert message["op"] == op, message
        return message

    def launch(self, verb: str, argument: object, name: str = "a", **env: str) -> None:
        self.say(
            "launch",
            key=[1, name],
            argv=["a0", verb, str(argument)],
            env={"PATH": os.environ["PATH"], "NAME": name, **env},
            log_path=str(self.home / "log" / name),
            output_prefix=f"out/{name}",
        )

    def hang_up(self) -> None:
        self.lines.close()
        self.connection.close()

    def end(self) -> int:
        return self.process.wait(timeout=10)


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[Speaker]:
    made = Speaker(tmp_path / "home", "--linger", str(LINGER_SECONDS))
    made.hear("hello")
    made.hear("ready")
    yield made
    made.hang_up()
    if made.process.poll() is None:
        for child in psutil.Process(made.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # one dies with another
                child.kill()
        made.process.kill()
    made.end()


def test_hello_says_who_speaks(tmp_path: Path) -> None:
    speaker = Speaker(tmp_path / "home")
    hello = speaker.hear("hello")
    assert hello == {
        "op": "hello",
        "protocol": 2,
        "id": "h-1",
        "pid": speaker.process.pid,
        "bound": "",
    }
    assert json.loads(speaker.record.read_text())["pid"] == speaker.process.pid
    assert (tmp_path / "home" / "hosts").stat().st_mode & 0o077 == 0, "a socket is a door"
    speaker.say("stop")
    assert speaker.end() == 0
    speaker.hang_up()
    assert list((tmp_path / "home" / "hosts").iterdir()) == []


def test_results_are_kept_until_they_are_acknowledged(speaker: Speaker) -> None:
    speaker.launch("exit_with", 5)
    speaker.hear("started")
    exited = speaker.hear("exited")
    assert (exited["code"], exited["output_prefix"]) == (5, "out/a")
    speaker.reconnect()
    speaker.hear("hello")
    assert speaker.hear("exited") == exited
    speaker.hear("ready")
    speaker.say("ack", keys=[[1, "a"]])
    speaker.reconnect()
    speaker.hear("hello")
    speaker.hear("ready")


def test_a_question_is_answered_whatever_the_children_do(speaker: Speaker, tmp_path: Path) -> None:
    speaker.launch("resist", tmp_path / "mark")
    speaker.hear("started")
    speaker.say("ping")
    speaker.hear("pong")


def test_an_import_is_announced_before_it_begins(speaker: Speaker, tmp_path: Path) -> None:
    """Nobody is answered meanwhile; whoever comes afterwards hears of everything that waited."""
    speaker.launch("wait_for", tmp_path / "end", "first", PRELOAD=f"until {tmp_path / 'imported'}")
    wait_until(lambda: json.loads(speaker.record.read_text())["importing"])
    for name in ("second", "third"):
        speaker.launch("wait_for", tmp_path / "end", name)
    speaker.reconnect()
    (tmp_path / "imported").touch()
    speaker.hear("hello")
    first, *others = [json.loads(speaker.lines.readline()) for _ in range(3)]
    told = {message["key"][1]: message["op"] for message in (first, *others)}
    assert told.keys() == {"first", "second", "third"}
    assert set(told.values()) <= {"waiting", "started"}
    assert "waiting" in told.values()
    speaker.hear("ready")
    assert not json.loads(speaker.record.read_text())["importing"]


def test_an_unknown_order_is_ignored(speaker: Speaker) -> None:
    speaker.say("dance")
    speaker.launch("exit_with", 0)
    speaker.hear("started")
    assert speaker.hear("exited")["code"] == 0


def test_a_kill_of_an_unknown_attempt_says_so(speaker: Speaker) -> None:
    speaker.say("kill", key=[9, "x"], grace=1)
    assert speaker.hear("killing")["known"] is False


def test_a_later_kill_only_brings_the_end_nearer(speaker: Speaker, tmp_path: Path) -> None:
    speaker.launch("resist", tmp_path / "mark")
    speaker.hear("started")
    wait_until((tmp_path / "mark").exists)
    for grace in (60, 0.05, 60):
        speaker.say("kill", key=[1, "a"], grace=grace)
        speaker.hear("killing")
    assert speaker.hear("exited")["signal"] == signal.SIGKILL


def test_a_host_that_is_alone_and_idle_ends(speaker: Speaker) -> None:
    speaker.launch("exit_with", 0)
    speaker.hear("started")
    exited = speaker.hear("exited")
    speaker.hang_up()
    assert speaker.end() == 0
    testament = json.loads(speaker.record.read_text())
    assert testament["ended"] == [exited], "nobody said that it is known"


def test_a_host_that_is_alone_keeps_its_children(speaker: Speaker, tmp_path: Path) -> None:
    """It waits for longer than it would with nothing to do, however long that is."""
    speaker.launch("wait_for", tmp_path / "go")
    pid = speaker.hear("started")["pid"]
    speaker.hang_up()
    with pytest.raises(AssertionError):
        wait_until(lambda: speaker.process.poll() is not None, timeout_seconds=3 * LINGER_SECONDS)
    assert psutil.pid_exists(pid)
    (tmp_path / "go").write_text("0")
    assert speaker.end() == 0
    assert json.loads(speaker.record.read_text())["ended"][0]["code"] == 0


def test_results_are_kept_while_there_is_no_room_for_them(speaker: Speaker) -> None:
    """As on a full disk: the record cannot be written."""
    speaker.launch("exit_with", 5)
    speaker.hear("started")
    exited = speaker.hear("exited")
    obstacle = speaker.record.with_suffix(".tmp")
    obstacle.mkdir()
    speaker.hang_up()
    with pytest.raises(AssertionError):
        wait_until(lambda: speaker.process.poll() is not None, timeout_seconds=6 * LINGER_SECONDS)
    obstacle.rmdir()
    assert speaker.end() == 0
    assert json.loads(speaker.record.read_text())["ended"] == [exited]


def test_sigterm_ends_children_first(speaker: Speaker, tmp_path: Path) -> None:
    speaker.launch("sleep", tmp_path / "mark")
    speaker.hear("started")
    wait_until((tmp_path / "mark").exists)
    speaker.process.terminate()
    speaker.hear("leaving")
    speaker.hear("killing")
    exited = speaker.hear("exited")
    assert exited["signal"] == signal.SIGTERM
    assert exited["detail"] == "the machine told its host to end (SIGTERM)"
    speaker.say("ack", keys=[[1, "a"]])
    assert speaker.end() == 0


def test_a_host_that_must_end_sends_away_what_still_comes(speaker: Speaker, tmp_path: Path) -> None:
    speaker.launch("resist", tmp_path / "mark")
    speaker.hear("started")
    wait_until((tmp_path / "mark").exists)
    speaker.process.terminate()
    speaker.hear("leaving")
    speaker.hear("killing")
    speaker.launch("exit_with", 0, "late")
    refused = speaker.hear("refused")
    assert (refused["key"], refused["leaving"], refused["unfit"]) == ([1, "late"], True, False)


def test_a_bound_host_says_so_when_it_is_found_again(speaker: Speaker, tmp_path: Path) -> None:
    speaker.say("bind", host_key="k", env={"ACTION_NAME": "of another attempt"})
    speaker.launch("tell", tmp_path / "told")
    speaker.hear("started")
    speaker.hear("exited")
    assert "of another attempt" not in (tmp_path / "told").read_text()
    speaker.reconnect()
    assert speaker.hear("hello")["bound"] == "k"
