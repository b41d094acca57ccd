"""The process: one per data directory, announced while it answers, gone without a trace."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import wait_until

COMMAND = (sys.executable, "-P", "-m", "flyte_server")


def refusal(*arguments: str, status: int = 1) -> str:
    """Stderr of a server that does not start."""
    ended = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def server(home: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, "--home", str(home), "--port", "0", "--foreground"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(
                lambda: (home / "server.json").exists() or process.poll() is not None,
                timeout_seconds=20,
            )
            yield process
        finally:
            process.kill()


def announced(home: Path) -> dict[str, object]:
    return json.loads((home / "server.json").read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_where_it_says_and_leaves_no_announcement_behind(
    home: Path, server: subprocess.Popen[str], number: signal.Signals
) -> None:
    record = announced(home)
    assert record["pid"] == server.pid
    assert record["endpoint"] == f"http://127.0.0.1:{record['port']}"
    with urllib.request.urlopen(f"{record['endpoint']}/healthz") as answer:
        assert json.load(answer) == {"status": "ok", "home": str(home), "pid": server.pid}
    assert stat.S_IMODE((home / "blobs.key").stat().st_mode) == 0o600
    server.send_signal(number)
    out, _ = server.communicate(timeout=10)
    assert server.returncode == 0
    assert str(record["endpoint"]) in out
    assert not (home / "server.json").exists()


def test_a_second_server_on_the_same_home_is_told_of_the_first(
    home: Path, server: subprocess.Popen[str]
) -> None:
    said = refusal("--home", str(home), "--port", "0")
    assert str(server.pid) in said
    assert str(announced(home)["endpoint"]) in said
    assert "server.lock" in said


def test_after_a_kill_the_next_one_starts_on_the_same_home(
    home: Path, server: subprocess.Popen[str]
) -> None:
    server.kill()
    server.wait()
    assert announced(home)["pid"] == server.pid  # stale: nobody could take it back
    again = subprocess.Popen([*COMMAND, "--home", str(home), "--port", "0"])
    try:
        wait_until(lambda: announced(home)["pid"] == again.pid, timeout_seconds=20)
    finally:
        again.terminate()
        assert again.wait(10) == 0


def test_a_port_that_was_asked_for_and_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal("--home", str(home), "--port", str(port))
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    home.mkdir(mode=0o555)
    assert str(home) in refusal("--home", str(home))


def test_a_home_that_is_a_file_is_named(home: Path) -> None:
    home.write_text("")
    said = refusal("--home", str(home))
    assert str(home) in said
    assert "FLYTE_HOME" in said


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_a_wrong_argument(home: Path, port: str) -> None:
    assert f"'{port}' is no port" in refusal("--home", str(home), f"--port={port}", status=2)


def test_a_wrong_variable_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_SERVER_SLOTS", "many")
    assert "FLYTE_SERVER_SLOTS='many'" in refusal("--home", str(home))
