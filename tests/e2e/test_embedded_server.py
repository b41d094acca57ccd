"""Finding and starting the control plane of this machine from Python."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.plane import Plane, free_port, gone

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


def test_host_and_port_are_passed_on(home: Path) -> None:
    port = free_port()
    assert _embedded.find_or_start(host="127.0.0.1", port=port).port == port


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    (home / "state.db").mkdir(parents=True)
    with pytest.raises(errors.ServerStartError, match=r"did not start.*state\.db"):
        _embedded.find_or_start()
