"""A clock that leaps removes nothing by surprise; figures; the loop survives what fails."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.storage import DAY, Home

from flyte_server.clock import NeverBefore
from flyte_server.engine.retention.limits import Limits
from flyte_server.store import retention as rows


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    await made.engine.close()
    made.database.close()


class Leaping:
    """A machine whose wall clock is set while it runs."""

    def __init__(self, home: Home) -> None:
        self._clock = home.clock
        self.offset_us = 0

    def now_us(self) -> int:
        return self._clock.now_us() + self.offset_us

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


async def test_a_clock_that_leaps_by_years_removes_nothing_for_days(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    await home.run("r")
    home.clock = clock = Leaping(home)  # pyright: ignore[reportAttributeAccessIssue]
    retention = home.retention()
    await retention.look()
    clock.offset_us = int(73 * 365 * DAY * 1_000_000)
    with caplog.at_level(logging.WARNING):
        await retention.look()
    assert "the clock went ahead by 26645 days" in caplog.text
    assert await home.is_kept("r")
    restarted = home.retention()
    for _ in range(2):
        await clock.sleep(1.4 * DAY)
        await restarted.look()
    assert await home.is_kept("r")
    assert restarted.calendar.paused_until is not None
    await clock.sleep(0.5 * DAY)
    await restarted.look()
    assert not await home.is_kept("r")


async def test_a_clock_that_was_corrected_ends_the_pause(home: Home) -> None:
    await home.run("r")
    home.clock = clock = Leaping(home)  # pyright: ignore[reportAttributeAccessIssue]
    await home.retention().look()
    clock.offset_us = int(400 * DAY * 1_000_000)
    await home.retention().look()
    clock.offset_us = 0
    corrected = home.retention()
    await corrected.look()
    assert corrected.calendar.paused_until is None
    for _ in range(4):
        await clock.sleep(8 * DAY)
        await corrected.look()
    assert not await home.is_kept("r")


def test_time_does_not_go_back_behind_the_rows(home: Home) -> None:
    clock = NeverBefore(home.clock, home.clock.now_us() + 5_000_000)
    assert clock.now_us() == home.clock.now_us() + 5_000_000
    home.clock.advance(2)
    assert clock.now_us() == home.clock.now_us() + 5_000_000
    leaping = Leaping(home)
    clock = NeverBefore(leaping, leaping.now_us() + 5_000_000)
    leaping.offset_us = 9_000_000  # the machine's clock was put right: it counts again
    assert clock.now_us() == leaping.now_us()


async def test_figures_count_every_file_once(home: Home) -> None:
    await home.run("ended", kilobytes=100, cache_key="k")
    home.upload()
    await home.begin("goes-on")
    log = home.log("goes-on")
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 40_000)
    retention = home.retention()
    outlook = await retention.outlook(largest=5)
    before = outlook.figures
    assert 200_000 <= before.data + before.logs - 40_000 <= 300_000
    await retention.look()
    after = (await retention.outlook(largest=5)).figures
    assert (after.data, after.logs) == (before.data, before.logs)
    assert after.cached == after.data
    assert after.uploads >= 4096
    largest = (await retention.outlook(largest=5)).largest
    assert [run.name for run in largest] == ["ended"]


async def test_the_outlook_names_what_goes_next_and_when(home: Home) -> None:
    await home.run("first")
    ended_at = home.clock.now_us()
    home.clock.advance(3600 * 2)
    await home.run("second")
    outlook = await home.retention(Limits(days=10, bytes=1000)).outlook(largest=1)
    assert outlook.next_run is not None
    assert outlook.next_run.name == "first"
    assert outlook.next_at == ended_at + int(10 * DAY * 1_000_000)
    assert outlook.excess == outlook.figures.counted - 1000 > 0
    assert outlook.most_bytes == 1000


async def test_a_part_that_fails_does_not_keep_the_others(home: Home) -> None:
    await home.run("r")
    home.clock.advance(31 * DAY)
    retention = home.retention()
    await home.execute(
        "CREATE TRIGGER no BEFORE INSERT ON marks WHEN new.name = 'clock_seen'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    await retention.look()
    assert not await home.is_kept("r")
    assert await home.database.read(rows.mark, rows.LARGEST_RUN) == 1
