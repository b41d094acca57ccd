"""`flyte start server`, `flyte stop server`, and what can go wrong with them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.plane import Plane, flyte, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def one_sentence(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """Says what it must, on stderr, without a traceback of ours."""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_started_twice_it_says_so(plane: Plane) -> None:
    again = json.loads(flyte("-of", "json", "start", "server").stdout)
    assert again["state"] == "already ran"
    assert again["endpoint"] == f"http://127.0.0.1:{plane.port}"
    assert again["pid"] == str(plane.pid)


def test_stopped_twice_it_says_so(flyte_home: Path) -> None:
    Plane(flyte_home).start()
    assert "has ended" in flyte("stop", "server").stdout
    assert "no control plane runs" in flyte("stop", "server").stdout


def test_port_already_taken(flyte_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = flyte("start", "server", "--port", str(port), expect=1)
    one_sentence(done, str(port))


def test_directory_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("FLYTE_HOME", str(file / "home"))
    one_sentence(flyte("start", "server", expect=1), str(file), "FLYTE_HOME")


def test_second_server_on_the_same_directory(plane: Plane) -> None:
    command = [sys.executable, "-m", "flyte_server", "--home", str(plane.home)]
    done = subprocess.run(
        [*command, "--port", str(free_port()), "--foreground"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 1
    one_sentence(done, str(plane.home))


def test_a_run_starts_the_control_plane_of_this_machine(flyte_home: Path) -> None:
    plane = Plane(flyte_home)
    try:
        assert plane.run("talking.py", "surroundings").phase == "succeeded"
        assert json.loads((flyte_home / "server.json").read_text())["pid"] != os.getpid()
    finally:
        plane.shut_down()


def test_an_endpoint_that_does_not_answer(flyte_home: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    done = flyte("--endpoint", endpoint, "--insecure", "get", "run", expect=5)
    one_sentence(done, endpoint.removeprefix("http://"))
