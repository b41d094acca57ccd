import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flyte import _embedded, errors

DEAD_PID = 2**22 - 1
"""Above the largest process id that Linux gives by default on small machines, and unused on others."""


class Health(BaseHTTPRequestHandler):
    """Answers `/healthz` as a control plane with the process id in `answer`."""

    answer: Any = None

    def do_GET(self) -> None:
        body = json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    Health.answer = {"status": "ok", "pid": os.getpid()}
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield "127.0.0.1", listening.server_address[1]
        listening.shutdown()
        thread.join()


def record(home: Path, host: str, port: int, **changes: Any) -> None:
    home.mkdir(parents=True, exist_ok=True)
    found = {
        "pid": os.getpid(),
        "host": host,
        "port": port,
        "endpoint": f"http://{host}:{port}",
        "version": "1.0",
        "started_at": "2026-01-01T00:00:00Z",
    }
    (home / "server.json").write_text(json.dumps(found | changes))


def test_nothing_recorded_is_nothing_found(flyte_home: Path) -> None:
    assert _embedded.find() is None
    assert not _embedded.stop()


def test_a_server_that_answers_is_found(flyte_home: Path, server: tuple[str, int]) -> None:
    record(flyte_home, *server)
    found = _embedded.find()
    assert found is not None
    assert found.url == f"http://127.0.0.1:{server[1]}"
    assert found.pid == os.getpid()
    assert found.home == flyte_home
    assert _embedded.find_or_start() == found, "a running server is used, whatever its version"


def test_the_record_of_a_dead_process_is_ignored(flyte_home: Path, server: tuple[str, int]) -> None:
    record(flyte_home, *server, pid=DEAD_PID)
    assert _embedded.find() is None


def test_another_process_at_the_recorded_address_is_not_it(
    flyte_home: Path, server: tuple[str, int]
) -> None:
    record(flyte_home, *server)
    Health.answer = {"status": "ok", "pid": os.getpid() + 1}
    assert _embedded.find() is None
    assert not _embedded.stop(), "and it is not the one to end"


def test_another_service_at_the_recorded_address_is_not_it(
    flyte_home: Path, server: tuple[str, int]
) -> None:
    record(flyte_home, *server)
    Health.answer = ["not", "ours"]
    assert _embedded.find() is None


@pytest.mark.parametrize("pid", [0, -1, 1, "x", None])
def test_a_process_id_that_means_a_group_is_never_used(
    flyte_home: Path, server: tuple[str, int], pid: Any
) -> None:
    record(flyte_home, *server, pid=pid)
    assert _embedded.find() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 3}'])
def test_a_half_written_record_is_ignored(flyte_home: Path, text: str) -> None:
    flyte_home.mkdir()
    (flyte_home / "server.json").write_text(text)
    assert _embedded.find() is None


def test_a_home_that_is_no_directory_is_named(flyte_home: Path) -> None:
    flyte_home.write_text("a file")
    with pytest.raises(errors.ServerStartError, match=f"cannot use {flyte_home} .*FLYTE_HOME"):
        _embedded.find_or_start()


def test_an_address_of_this_machine_is_recognised(
    flyte_home: Path, server: tuple[str, int]
) -> None:
    record(flyte_home, *server)
    found, port = _embedded.find(), server[1]
    for endpoint in (
        f"http://127.0.0.1:{port}",
        f"127.0.0.1:{port}",
        f"dns:///127.0.0.1:{port}",
        f"localhost:{port}",
        f" http://localhost:{port}/ ",
    ):
        assert _embedded.at(endpoint) == found, endpoint
    for endpoint in (
        f"http://127.0.0.1:{port + 1}",
        f"https://127.0.0.1:{port}",
        f"http://127.0.0.2:{port}",
        f"http://example.com:{port}",
        "http://127.0.0.1:x",
        "",
    ):
        assert _embedded.at(endpoint) is None, endpoint


def test_the_address_of_a_server_that_is_gone_is_nobody_s(
    flyte_home: Path, server: tuple[str, int]
) -> None:
    """Whoever listens there now must not get the token."""
    record(flyte_home, *server, pid=DEAD_PID)
    assert _embedded.at(f"http://127.0.0.1:{server[1]}") is None


def test_a_recorded_server_of_another_machine_gets_no_token(
    flyte_home: Path, server: tuple[str, int]
) -> None:
    record(flyte_home, "192.0.2.1", server[1])
    assert _embedded.at(f"http://192.0.2.1:{server[1]}") is None
