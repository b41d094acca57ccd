"""For every test: nothing may be left running, and every test has a FLYTE_HOME of its own."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import looptime
import psutil
import pytest
from hypothesis import HealthCheck, settings
from tests.support import wait_until

settings.register_profile(
    "ci", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", parent=settings.get_profile("ci"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Threads that live as long as the process by design.
_KEPT_THREADS = ("flyte-background", "pytest", "ThreadPoolExecutor-pyqwest")


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.name.startswith(_KEPT_THREADS)}


def _children() -> set[int]:
    """Living children of this process.  Asked of the kernel: to look through all processes twice per test would
    take longer than the tests."""
    listed: list[str] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended has no children
            listed += path.read_text().split()
    return {int(pid) for pid in listed if not _is_zombie(int(pid))}


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pytest_asyncio_loop_factories(
    config: pytest.Config,
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A test marked `looptime` runs on a loop whose time jumps when everybody waits.

    (looptime's own plugin makes a second loop around every test and never closes it: it is switched off.)
    """
    virtual = item.get_closest_marker("looptime") is not None
    return {"loop": looptime.new_event_loop if virtual else asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def flyte_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test's own, and no configuration of the developer's."""
    home = tmp_path / "flyte-home"
    monkeypatch.setenv("FLYTE_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FLYTECTL_CONFIG", "UCTL_CONFIG", "FLYTE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def own_ctrl_c() -> Iterator[None]:
    """Python's own handler of Ctrl-C: the loops of pytest-asyncio leave theirs behind."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def nothing_left_running(flyte_home: Path) -> Iterator[None]:
    """A thread or process that outlives its test fails the test."""
    threads, children = _threads(), _children()
    yield
    wait_until(lambda: not (_threads() - threads), timeout_seconds=5)
    wait_until(lambda: not (_children() - children), timeout_seconds=5)
