"""Leases: control planes that share a store, or follow each other on it, judge only by signs of life."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action
from tests.fakes.executor import FakeExecutor

from flyte_server.domain.phases import Phase
from flyte_server.domain.records import ActionKey, Lease
from flyte_server.engine.leases import Leases, leave
from flyte_server.store import actions, leases
from flyte_server.store.database import Database

pytestmark = pytest.mark.looptime

LEASE_SECONDS = 10.0


class Member(ControlPlane):
    """A control plane that shares its store with others, or follows them."""

    alone = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.executor.worker = f"h-of-{self.engine.plane}"
        self.renew_with(self.executor)

    def renew_with(self, executor: FakeExecutor) -> None:
        self.leases = Leases(
            self.database,
            self.engine.plane,
            executor=executor,
            clock=self.clock,
            seconds=LEASE_SECONDS,
            alone=self.alone,
        )
        self.reconciler._others = self.leases

    @asynccontextmanager
    async def working(self) -> AsyncIterator[ControlPlane]:
        await self.leases.renew()
        renewing = asyncio.create_task(self.leases.run())
        try:
            async with super().working():
                yield self
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def known(self) -> dict[str, Lease]:
        return {lease.worker: lease for lease in await self.database.read(leases.load_all)}


class Only(Member):
    """One that has the lock of its directory."""

    alone = True


@contextmanager
def shared() -> Iterator[Database]:
    database = Database.in_memory()
    try:
        yield database
    finally:
        database.close()


class Locked(Database):
    """A store that refuses all writing while somebody says so."""

    is_locked = False

    async def write(self, function, *args, **kwargs):  # type: ignore[no-untyped-def,override]
        if self.is_locked:
            raise sqlite3.OperationalError("database is locked")
        return await super().write(function, *args, **kwargs)


async def test_two_control_planes_leave_each_other_alone() -> None:
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database, slots=2), Member(clock, database, slots=4)
        async with one.working():
            await one.start_root()
            await one.engine.enqueue(1, new_action("c0"))
            await one.settle()
            async with two.working():
                await one.engine.enqueue(1, new_action("c1"))
                await clock.sleep(100)
                assert {attempt.action for attempt in one.executor.held} | {
                    attempt.action for attempt in two.executor.held
                } == {"a0", "c0", "c1"}
                for name in ("a0", "c0", "c1"):
                    action = await one.action(name)
                    assert (action.phase, action.attempt) == (Phase.RUNNING, 1)
                assert one.executor.killed == two.executor.killed == []


async def test_an_abort_is_done_by_who_holds_the_process() -> None:
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database), Member(clock, database)
        async with one.working(), two.working():
            await one.start_root()
            [holder] = [plane for plane in (one, two) if plane.executor.held]
            other = two if holder is one else one
            await other.engine.abort_action(ActionKey(1, "a0"), "enough")
            await clock.sleep(12)
            assert (await one.action("a0")).phase is Phase.ABORTED
            assert (holder.executor.killed, other.executor.killed) == (["a0"], [])


async def test_work_of_a_control_plane_that_died_goes_to_the_other() -> None:
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database), Member(clock, database)
        async with one.working():
            await one.start_root()
        async with two.working():
            await clock.sleep(LEASE_SECONDS - 1)
            assert (await two.action("a0")).attempt == 1, "its lease still holds"
            await clock.sleep(LEASE_SECONDS + 2)
            root = await two.action("a0")
            assert (root.phase, root.attempt, root.system_failures) == (Phase.RUNNING, 2, 1)
            first = (await database.read(actions.attempts, 1, "a0"))[0]
            assert first.failure is not None
            assert first.failure.message.startswith(
                f"worker lost: {one.executor.worker} of another control plane gave no sign of life"
            )
            await clock.sleep(2 * LEASE_SECONDS)
            assert set(await two.known()) == {two.engine.plane, two.executor.worker}


async def test_what_was_claimed_and_not_launched_is_judged_by_the_control_plane() -> None:
    """Before a host has it, its worker is the control plane that claimed it."""
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database), Member(clock, database)
        one.executor.launch = hang  # type: ignore[method-assign]
        async with one.working():
            await one.start_root()
            async with two.working():
                await clock.sleep(3 * LEASE_SECONDS)
                action = await two.action("a0")
                assert (action.phase, action.attempt) == (Phase.INITIALIZING, 1)
        async with two.working():
            await clock.sleep(2 * LEASE_SECONDS)
            assert (await two.action("a0")).attempt == 2


async def hang(_: object) -> None:
    await asyncio.Event().wait()


async def test_a_worker_that_comes_back_between_two_ticks_is_believed() -> None:
    """Its new attempt must not be lost by what was observed before it came back."""
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database), Member(clock, database)
        async with one.working():
            await one.start_root()
        for _ in range(8):
            await two.leases.renew()
            await clock.sleep(2)
        worker = one.executor.worker
        await two.leases.doubt([worker])
        assert two.leases.silence_of(worker) is not None
        await one.leases.renew()
        await two.leases.doubt([worker])
        assert two.leases.silence_of(worker) is None


async def test_a_thawed_control_plane_ends_what_is_not_its_own_any_more() -> None:
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database), Member(clock, database)
        async with one.working():
            await one.start_root()
        async with two.working():
            await clock.sleep(2 * LEASE_SECONDS + 2)
            async with one.working():
                late = one.executor.attempt("a0")
                await one.executor.succeed("a0")
                one.executor.held[late] = two.executor.held[two.executor.attempt("a0")]
                await clock.sleep(10)
                assert "a0" in one.executor.killed
                root = await two.action("a0")
                assert (root.phase, root.attempt) == (Phase.RUNNING, 2)
                assert not two.executor.killed


async def test_nobody_expires_while_nobody_can_write() -> None:
    clock = LoopClock()
    database = Locked.in_memory()
    one, two = Member(clock, database), Member(clock, database)
    async with one.working(), two.working():
        await one.start_root()
        database.is_locked = True
        await clock.sleep(600)
        database.is_locked = False
        await clock.sleep(60)
        assert (await one.action("a0")).attempt == 1
    database.close()


async def test_a_sleep_of_everybody_is_nobodys_death() -> None:
    """The machine slept, and time has passed; whoever wakes up first gives the others time."""
    clock = LoopClock()
    with shared() as database:
        one, two = Member(clock, database), Member(clock, database)
        async with one.working(), two.working():
            await one.start_root()
            for slept in (3_600, -3_600, 7_200):
                await clock.sleep(7)
                clock.offset_us += slept * 1_000_000
                silence = (one.leases._silence, two.leases._silence)
                for each in silence:
                    each.tick(clock.monotonic() + 3_600)
                    each.tick(clock.monotonic())
            await clock.sleep(60)
            assert (await one.action("a0")).attempt == 1


async def test_a_new_control_plane_that_is_alone_takes_old_leases_away() -> None:
    clock = LoopClock()
    with shared() as database:
        first = Only(clock, database)
        async with first.working():
            await first.start_root()
        second = Only(clock, database)
        second.adopt(first.executor, restarted=True)
        second.renew_with(first.executor)
        async with second.working():
            await clock.sleep(3)
            known = await second.known()
            assert set(known) == {second.engine.plane, first.executor.worker}
            assert known[first.executor.worker].plane == second.engine.plane
            assert (await second.action("a0")).attempt == 1


async def test_what_nobody_holds_after_a_restart_is_lost_without_waiting_for_a_lease() -> None:
    clock = LoopClock()
    with shared() as database:
        async with Only(clock, database).working() as first:
            await first.start_root()
        second = Only(clock, database)
        async with second.working():
            await clock.sleep(6)
            root = await second.action("a0")
            assert (root.phase, root.attempt, root.system_failures) == (Phase.RUNNING, 2, 1)


async def test_nothing_is_lost_while_a_host_has_not_said_what_it_holds() -> None:
    clock = LoopClock()
    with shared() as database:
        first = Only(clock, database)
        async with first.working():
            await first.start_root()
        second = Only(clock, database)
        second.executor.is_settled = False
        async with second.working():
            await second.engine.abort_action(ActionKey(1, "a0"), "enough")
            await clock.sleep(300)
            assert (await second.action("a0")).phase is Phase.RUNNING
            assert not second.executor.killed
            second.executor.held.update(first.executor.held)
            second.executor.is_settled = True
            await clock.sleep(6)
            assert (await second.action("a0")).phase is Phase.ABORTED


async def test_no_lease_is_left_after_a_clean_end() -> None:
    clock = LoopClock()
    with shared() as database:
        plane = Member(clock, database)
        async with plane.working():
            await plane.start_root()
            await plane.executor.succeed("a0")
        await leave(database, plane.engine.plane)
        assert await plane.known() == {}


async def test_a_store_that_fails_stops_no_renewal() -> None:
    clock = LoopClock()
    database = Locked.in_memory()
    plane = Member(clock, database)
    async with plane.working():
        database.is_locked = True
        await clock.sleep(30)
        await leave(database, plane.engine.plane)
        database.is_locked = False
        before = (await plane.known())[plane.engine.plane].beats
        await clock.sleep(5)
        assert (await plane.known())[plane.engine.plane].beats > before
    database.close()
