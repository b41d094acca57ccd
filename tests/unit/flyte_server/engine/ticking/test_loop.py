"""Ticks: each gets one run, whatever clocks, control planes and tasks do."""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.clock import START_US, LoopClock
from tests.fakes.control_plane import new_run

from flyte_server.domain.commands import NewRun
from flyte_server.domain.errors import NotFound
from flyte_server.domain.records import StartedBy
from flyte_server.domain.schedules.records import CatchUp, Cron, FixedRate, Schedule, Trigger
from flyte_server.engine.bus import TRIGGERS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.ticking.loop import Ticker
from flyte_server.store import runs
from flyte_server.store.catalogue import triggers
from flyte_server.store.catalogue.triggers import TriggerQuery
from flyte_server.store.database import Database
from flyte_server.store.runs import RunQuery

MINUTE = 60_000_000
DEPLOYED = 1


@dataclass
class TaskRuns:
    """Makes runs, slowly; or fails, as the test says."""

    broken: dict[str, Exception] = field(default_factory=dict[str, Exception])
    tried: Counter[str] = field(default_factory=Counter[str])

    async def run_of(self, trigger: Trigger, moment: int, name: str) -> NewRun:
        self.tried[trigger.name] += 1
        await asyncio.sleep(0.01 * (moment // MINUTE % 3))
        if trigger.name in self.broken:
            raise self.broken[trigger.name]
        started_by = StartedBy(trigger.task_name, trigger.name, trigger.revision, tick=moment)
        return replace(new_run(name), trigger=started_by)


@dataclass
class Plane:
    """One control plane: its own clock, bus and engine, and the store of all."""

    database: Database
    clock: LoopClock = field(default_factory=LoopClock)
    bus: Bus = field(default_factory=Bus)
    commands: TaskRuns = field(default_factory=TaskRuns)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Plane"]:
        engine = Engine(self.database, self.bus, self.clock)
        ticker = Ticker(self.database, engine, self.bus, clock=self.clock, commands=self.commands)
        loop = asyncio.create_task(ticker.run())
        try:
            yield self
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            await engine.close()


def trigger(
    name: str = "t",
    *,
    catch_up: CatchUp = CatchUp.LATEST,
    schedule: Schedule | None = None,
    next_tick: int | None = START_US + MINUTE,
) -> Trigger:
    return Trigger(
        project="p",
        domain="development",
        task_name="env.main",
        name=name,
        revision=1,
        task_version="v1",
        active=True,
        automation=b"",
        spec=b"",
        input_uri="",
        schedule=schedule or FixedRate(MINUTE, START_US),
        catch_up=catch_up,
        deployed_by="local",
        updated_by="local",
        deployed_at=START_US,
        updated_at=START_US,
        next_tick=next_tick,
        due_at=next_tick,
    )


async def deploy(database: Database, *wanted: Trigger) -> None:
    for each in wanted:
        assert await database.write(triggers.save, each, DEPLOYED, expected=None)


async def ticks(database: Database, name: str = "t") -> list[int]:
    """The ticks that got a run, in minutes since the start; one for each run."""
    found: list[int] = []
    for run, _ in await database.read(runs.listing, RunQuery(limit=10_000)):
        assert run.trigger is not None
        assert run.trigger.tick is not None
        if run.trigger.name == name:
            found.append((run.trigger.tick - START_US) // MINUTE)
    return sorted(found)


async def row(database: Database, name: str = "t") -> Trigger:
    found = await database.read(triggers.listing, TriggerQuery(limit=10_000))
    return next(each for each in found if each.name == name)


@pytest.mark.looptime
async def test_every_tick_gets_its_run_in_time() -> None:
    database = Database.in_memory()
    await deploy(database, trigger())
    async with Plane(database).running() as plane:
        await plane.clock.sleep(301)
    assert await ticks(database) == [1, 2, 3, 4, 5]
    now = await row(database)
    assert now.next_tick == START_US + 6 * MINUTE
    assert now.triggered_at == START_US + 5 * MINUTE
    assert now.last_run.startswith("t")


@pytest.mark.looptime
async def test_a_trigger_that_comes_is_heard_of_at_once() -> None:
    database = Database.in_memory()
    async with Plane(database).running() as plane:
        await plane.clock.sleep(1)
        await deploy(database, trigger(next_tick=START_US))
        plane.bus.wake(TRIGGERS)
        await plane.clock.sleep(0.5)
        assert await ticks(database) == [0]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (CatchUp.LATEST, [1, 2, 12, 13]),
        (CatchUp.ALL, [1, 2, *range(3, 13), 13]),
        (CatchUp.NONE, [1, 2, 13]),
    ],
)
async def test_after_an_absence_the_policy_decides(catch_up: CatchUp, expected: list[int]) -> None:
    database = Database.in_memory()
    rate = FixedRate(MINUTE, START_US)
    await deploy(database, trigger(catch_up=catch_up, schedule=rate))
    plane = Plane(database)
    async with plane.running():
        await plane.clock.sleep(125)
    # Away for ten minutes, and back when the newest missed tick is over for longer than the grace.
    if catch_up is CatchUp.NONE:
        slow = replace(await row(database), schedule=FixedRate(10 * MINUTE, START_US + 3 * MINUTE))
        assert await database.write(triggers.save, replace(slow, revision=2), DEPLOYED, expected=1)
    await plane.clock.sleep(630)
    async with plane.running():
        await plane.clock.sleep(40)
    assert await ticks(database) == expected


@pytest.mark.looptime
async def test_a_thousand_that_are_due_at_once_all_run() -> None:
    database = Database.in_memory()
    await deploy(database, *(trigger(f"t{number}") for number in range(1_000)))
    async with Plane(database).running() as plane:
        await plane.clock.sleep(75)
        found = await database.read(triggers.listing, TriggerQuery(limit=2_000))
        assert all(each.triggered_at == START_US + MINUTE for each in found)
    assert len(await database.read(runs.listing, RunQuery(limit=2_000))) == 1_000


@pytest.mark.looptime
async def test_one_that_cannot_run_is_tried_again_and_keeps_nobody_from_theirs() -> None:
    database = Database.in_memory()
    await deploy(database, trigger("sick"), trigger("odd"), trigger("well"))
    plane = Plane(database)
    plane.commands.broken = {
        "sick": NotFound("Task 'env.main' has no version 'v1'"),
        "odd": ZeroDivisionError("nobody thought of this"),
    }
    async with plane.running():
        await plane.clock.sleep(100)
        sick, odd = await row(database, "sick"), await row(database, "odd")
        assert sick.error == "Task 'env.main' has no version 'v1'"
        assert sick.failures == 3
        assert odd.error == "ZeroDivisionError: nobody thought of this"
        assert sick.next_tick == START_US + MINUTE, "it is not lost"
        assert await ticks(database, "well") == [1]
        plane.commands.broken.clear()
        await plane.clock.sleep(200)
        healed = await row(database, "sick")
        assert (healed.error, healed.failures) == ("", 0)
        assert await ticks(database, "sick")
        assert plane.commands.tried["sick"] < 12, "it rests between two tries"


@pytest.mark.looptime
async def test_a_row_that_cannot_be_read_is_left_alone() -> None:
    database = Database.in_memory()
    await deploy(database, trigger("broken"), trigger("well"))

    def break_it(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE triggers SET schedule = '{}' WHERE name = 'broken'")

    await database.write(break_it)
    async with Plane(database).running() as plane:
        await plane.clock.sleep(130)
    assert await ticks(database, "well") == [1, 2]


@pytest.mark.looptime
async def test_a_schedule_without_further_ticks_rests() -> None:
    database = Database.in_memory()
    never = Cron("0 0 31 2,4 SUN", "UTC")
    await deploy(database, trigger(schedule=never, catch_up=CatchUp.ALL))
    async with Plane(database).running() as plane:
        await plane.clock.sleep(90)
    assert len(await ticks(database)) == 1


@pytest.mark.looptime
async def test_who_changes_a_trigger_meanwhile_wins() -> None:
    database = Database.in_memory()
    await deploy(database, trigger())
    plane = Plane(database)

    async with plane.running():
        await plane.clock.sleep(60.005)  # its run is being made now
        stopped = replace(await row(database), active=False, due_at=None, revision=2)
        assert await database.write(triggers.save, stopped, DEPLOYED, expected=1)
        await plane.clock.sleep(120)
    assert plane.commands.tried["t"] <= 1
    assert len(await ticks(database)) <= 1
    assert (await row(database)).revision == 2


JUMPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # whose clock
        st.integers(1, 400),  # after how many seconds
        st.integers(-900, 900),  # by how many seconds
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(JUMPS, st.sampled_from([CatchUp.LATEST, CatchUp.ALL]))
def test_three_control_planes_with_jumping_clocks_start_one_run_per_tick(
    jumps: list[tuple[int, int, int]], catch_up: CatchUp
) -> None:
    with contextlib.closing(looptime.new_event_loop()) as loop:
        loop.run_until_complete(_three_planes(jumps, catch_up))


async def _three_planes(jumps: list[tuple[int, int, int]], catch_up: CatchUp) -> None:
    database = Database.in_memory()
    await deploy(database, trigger(catch_up=catch_up))
    async with contextlib.AsyncExitStack() as stack:
        planes = [await stack.enter_async_context(Plane(database).running()) for _ in range(3)]
        for whose, seconds, jump in jumps:
            await planes[whose].clock.sleep(seconds)
            planes[whose].clock.offset_us += jump * 1_000_000
        await planes[0].clock.sleep(240)
    found = await ticks(database)
    assert len(set(found)) == len(found), "no tick has two runs"
    now = await row(database)
    assert now.next_tick is not None
    assert now.error == ""
    through = (now.next_tick - START_US) // MINUTE
    assert found[-1] == through - 1
    if catch_up is CatchUp.ALL:
        assert found == list(range(1, through)), "no tick has none"
