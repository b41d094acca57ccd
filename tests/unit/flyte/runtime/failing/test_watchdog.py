"""A blocked loop: when it is told, and where it is."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from tests.support import wait_until

from flyte._runtime.failing import watchdog
from flyte._runtime.failing.watchdog import Stalls, Watchdog


def test_a_stall_is_told_once_and_again_when_it_has_doubled() -> None:
    stalls = Stalls(5)
    told = [now for now in range(45) if stalls.due(beat=0, now=now) is not None]
    assert told == [5, 10, 20, 40]


def test_each_stall_counts_for_itself() -> None:
    stalls = Stalls(5)
    assert stalls.due(beat=0, now=12) == 12
    assert stalls.due(beat=20, now=24) is None
    assert stalls.due(beat=20, now=25) == 5


def test_a_late_look_tells_a_stall_once() -> None:
    stalls = Stalls(5)
    assert stalls.due(beat=0, now=30) == 30
    assert stalls.due(beat=0, now=31) is None


def blocking_the_loop(until: threading.Event) -> None:
    while not until.wait(0.01):
        pass


@pytest.fixture
def threshold() -> Iterator[None]:
    os.environ[watchdog.VARIABLE] = "0.1"
    yield
    del os.environ[watchdog.VARIABLE]


@pytest.mark.usefixtures("threshold")
def test_it_is_told_while_it_happens_and_names_the_users_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    over, seen = threading.Event(), [""]

    def heard() -> bool:
        seen[0] += capfd.readouterr().err
        return "event loop blocked" in seen[0]

    def look() -> None:
        wait_until(heard, timeout_seconds=30)
        over.set()

    async def task() -> None:
        with watchdog.watching():
            beating = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(1.2, beating.set_result, None)
            await beating
            blocking_the_loop(over)

    looker = threading.Thread(target=look)
    looker.start()
    asyncio.run(task())
    looker.join()
    assert "test_watchdog.py:" in seen[0]
    assert "in blocking_the_loop" in seen[0]
    wait_until(lambda: all(each.name != "flyte-watchdog" for each in threading.enumerate()))


async def test_a_short_task_costs_no_thread() -> None:
    with watchdog.watching():
        assert all(each.name != "flyte-watchdog" for each in threading.enumerate())


@pytest.mark.looptime
async def test_the_last_of_many_ends_it() -> None:
    dog = Watchdog(asyncio.get_running_loop(), seconds=5)
    dog.enter()
    one = asyncio.create_task(_entered(dog))
    await one
    assert dog.is_waiting, "another one still asks"
    dog.leave()
    assert not dog.is_waiting


async def _entered(dog: Watchdog) -> None:
    dog.enter()
    dog.leave()


def test_the_place_is_the_users_own() -> None:
    frame = sys._getframe()
    assert watchdog.place(frame).startswith("test_watchdog.py:")
