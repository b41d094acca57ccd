"""Finding and starting the control plane of this machine from Python."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.plane import Plane, free_port, gone, kill
from tests.support import wait_until

from flyte import _embedded, errors

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ASK = "from flyte import _embedded; print(_embedded.find_or_start().pid)"


@pytest.fixture
def home(flyte_home: Path) -> Iterator[Path]:
    yield flyte_home
    Plane(flyte_home).shut_down()


def test_started_found_and_ended(home: Path) -> None:
    assert _embedded.find() is None
    started = _embedded.find_or_start()
    assert started.home == home
    assert _embedded.find() == started
    assert _embedded.find_or_start() == started
    assert _embedded.stop()
    assert gone(started.pid)
    assert _embedded.find() is None
    assert not _embedded.stop()


def test_many_that_ask_at_once_get_the_same_server(home: Path) -> None:
    asking = [
        subprocess.Popen([sys.executable, "-c", ASK], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    pids = {int(process.communicate(timeout=60)[0]) for process in asking}
    assert len(pids) == 1
    servers = [each for each in Plane(home).processes() if "flyte_server" in each.cmdline()]
    assert [server.pid for server in servers] == list(pids)


def test_after_a_crash_there_is_a_new_one(home: Path) -> None:
    Plane(home, port=_embedded.find_or_start().port).kill()
    assert _embedded.find() is None
    assert _embedded.find_or_start().pid == Plane(home).pid


def test_a_killed_server_is_started_again_by_its_guardian(home: Path) -> None:
    """Nobody has to type another command: runs whose clients have gone go on."""
    before = _embedded.find_or_start()
    kill(before.pid)
    after = wait_until(_embedded.find, timeout_seconds=20)
    assert after.pid != before.pid
    assert after.port == before.port, "its tasks know no other address"
    assert "was ended by signal 9" in _embedded.log_path().read_text()


@pytest.mark.parametrize("asked", ["server", "guardian"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_and_guardian_end_together(home: Path, asked: str, number: signal.Signals) -> None:
    plane = Plane(home, port=_embedded.find_or_start().port)
    server, guardian = plane.pid, plane.guardian_pid
    os.kill(server if asked == "server" else guardian, number)
    wait_until(lambda: gone(server) and gone(guardian))
    assert not _embedded.stop(), "there is nothing left to end"


def test_without_its_guardian_the_server_goes_on(home: Path) -> None:
    plane = Plane(home, port=_embedded.find_or_start().port)
    kill(plane.guardian_pid)
    found = _embedded.find()
    assert found is not None
    assert found.pid == plane.pid
    assert _embedded.stop()
    assert gone(found.pid)


def test_a_server_that_refuses_to_start_is_not_tried_again(home: Path) -> None:
    (home / "state.db").mkdir(parents=True)
    with pytest.raises(errors.ServerStartError):
        _embedded.find_or_start()
    assert gone(Plane(home).guardian_pid)


def test_a_stopped_server_is_named_and_can_be_ended(home: Path) -> None:
    started = _embedded.find_or_start()
    os.kill(started.pid, signal.SIGSTOP)
    with pytest.raises(
        errors.ServerStartError, match=rf"process {started.pid}\) holds .* does not answer"
    ):
        _embedded.find_or_start()
    assert _embedded.stop()
    assert gone(started.pid)


def test_host_and_port_are_passed_on(home: Path) -> None:
    port = free_port()
    assert _embedded.find_or_start(host="127.0.0.1", port=port).port == port


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    (home / "state.db").mkdir(parents=True)
    with pytest.raises(errors.ServerStartError, match=r"did not start.*state\.db"):
        _embedded.find_or_start()
