"""The one loop behind all streams, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from flyte_server.domain.errors import NotFound, Unavailable
from flyte_server.engine.bus import Bus, run_topic
from flyte_server.services.watching import HEARTBEAT_SECONDS, Watching


class Rows:
    """A view of a list that grows."""

    topic = run_topic(1)
    pause_seconds = HEARTBEAT_SECONDS
    rest_seconds = 0.0

    def __init__(self) -> None:
        self.new: list[str] = []
        self.over = False
        self.looks = 0

    async def look(self) -> list[str]:
        self.looks += 1
        found, self.new = self.new, []
        return found

    def heartbeat(self) -> str:
        return "heartbeat"


async def collect(stream: AsyncIterator[str], into: list[str]) -> None:
    async for message in stream:
        into.append(message)  # noqa: PERF401 - a test looks at it meanwhile


def opened(rows: Rows) -> Callable[[], Awaitable[Rows]]:
    async def open_() -> Rows:
        return rows

    return open_


@pytest.mark.looptime
async def test_new_rows_are_told_at_the_wake_and_silence_is_broken_by_heartbeats() -> None:
    bus, rows, seen = Bus(), Rows(), list[str]()
    rows.new = ["first"]
    task = asyncio.create_task(collect(Watching(bus).follow(opened(rows)), seen))
    await asyncio.sleep(0.1)
    assert seen == ["first"]
    rows.new = ["second"]
    bus.wake(run_topic(1))
    await asyncio.sleep(0.1)
    assert seen == ["first", "second"]
    await asyncio.sleep(HEARTBEAT_SECONDS + 0.1)
    assert seen == ["first", "second", "heartbeat"]
    task.cancel()


@pytest.mark.looptime
async def test_wakes_that_bring_nothing_do_not_put_the_heartbeat_off() -> None:
    bus, rows, seen = Bus(), Rows(), list[str]()
    task = asyncio.create_task(collect(Watching(bus).follow(opened(rows)), seen))
    for _ in range(40):
        await asyncio.sleep(HEARTBEAT_SECONDS / 10)
        bus.wake(run_topic(1))
    assert 3 <= seen.count("heartbeat") <= 4
    task.cancel()


@pytest.mark.looptime
async def test_many_wakes_in_a_short_time_are_one_look() -> None:
    bus, rows, seen = Bus(), Rows(), list[str]()
    rows.rest_seconds = 0.1
    task = asyncio.create_task(collect(Watching(bus).follow(opened(rows)), seen))
    for number in range(100):
        rows.new.append(str(number))
        bus.wake(run_topic(1))
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.2)
    assert seen == [str(number) for number in range(100)]
    assert rows.looks <= 5
    task.cancel()


@pytest.mark.looptime
async def test_a_row_that_comes_without_a_wake_is_found_all_the_same() -> None:
    rows, seen = Rows(), list[str]()
    task = asyncio.create_task(collect(Watching(Bus()).follow(opened(rows)), seen))
    await asyncio.sleep(0.1)
    rows.new = ["quiet"]
    await asyncio.sleep(HEARTBEAT_SECONDS)
    assert "quiet" in seen
    task.cancel()


async def test_a_view_that_is_over_ends_the_stream_after_its_last_message() -> None:
    rows, seen = Rows(), list[str]()
    rows.new, rows.over = ["last"], True
    await collect(Watching(Bus()).follow(opened(rows)), seen)
    assert seen == ["last"]


@pytest.mark.looptime
async def test_stopping_ends_all_streams_at_once_those_to_come_too() -> None:
    watching = Watching(Bus())
    tasks = [asyncio.create_task(collect(watching.follow(opened(Rows())), [])) for _ in range(3)]
    await asyncio.sleep(0.1)
    watching.stop()
    tasks.append(asyncio.create_task(collect(watching.follow(opened(Rows())), [])))
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, Unavailable)


async def test_what_cannot_be_opened_is_refused() -> None:
    async def open_() -> Rows:
        raise NotFound("nothing here")

    with pytest.raises(NotFound):
        await collect(Watching(Bus()).follow(open_), [])
