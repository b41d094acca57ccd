"""One row that cannot be read or moved: it is set aside with its error, and everything else goes on."""

import logging
from collections.abc import AsyncIterator

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain import errors
from flyte_server.domain.events import Succeeded
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Policy
from flyte_server.store import actions, aside, runs
from flyte_server.store.aside import SetAside
from flyte_server.store.rows import Connection

pytestmark = pytest.mark.looptime

UNREADABLE = ("policy", '{"retries": ')
UNMOVABLE = ("policy", '{"deadline_seconds": {"a": 1}}')
NO_PHASE = ("phase", "quued")


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    made = ControlPlane(LoopClock(), slots=2)
    yield made
    await made.engine.close()
    made.database.close()


def _write(connection: Connection, run_id: int, name: str, column: str, value: str) -> None:
    connection.execute(
        f"UPDATE actions SET {column} = ? WHERE run_id = ? AND name = ?", (value, run_id, name)
    )


def _read(connection: Connection, run_id: int, name: str, column: str) -> str:
    (value,) = connection.execute(
        f"SELECT {column} FROM actions WHERE run_id = ? AND name = ?", (run_id, name)
    ).fetchone()
    return value


async def spoil(plane: ControlPlane, name: str, damage: tuple[str, str], run_id: int = 1) -> str:
    """Damage a row behind the engine's back; gives what stood there."""
    column, value = damage
    old = await plane.database.read(_read, run_id, name, column)
    await plane.database.write(_write, run_id, name, column, value)
    return old


async def set_aside(plane: ControlPlane) -> list[SetAside]:
    return await plane.database.read(aside.listing)


@pytest.mark.parametrize("damage", [UNREADABLE, UNMOVABLE, NO_PHASE])
async def test_a_queued_row_does_not_stop_the_others_and_is_healed(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture, damage: tuple[str, str]
) -> None:
    caplog.set_level(logging.ERROR)
    for number in range(4):
        await plane.engine.create_run(new_run(f"r{number}"))
    old = await spoil(plane, "a0", damage)
    async with plane.working():
        await plane.settle()
        assert {attempt.run_id for attempt in plane.executor.held} == {2, 3}
        await plane.executor.succeed("a0")
        await plane.settle()
        assert 4 in {attempt.run_id for attempt in plane.executor.held}
        await plane.executor.succeed("a0")
        await plane.clock.sleep(700)
        (entry,) = await set_aside(plane)
        assert (entry.run_id, entry.action) == (1, "a0")
        assert entry.failures > 2
        told = [each for each in caplog.records if "is set aside" in each.getMessage()]
        assert len(told) == 1, "once, not with every try"

        await plane.database.write(_write, 1, "a0", damage[0], old)
        await plane.clock.sleep(700)
        assert 1 in {attempt.run_id for attempt in plane.executor.held}
        for _ in range(2):
            await plane.executor.succeed("a0")
        assert (await plane.action("a0", 1)).phase is Phase.SUCCEEDED
        await plane.clock.sleep(1400)
        assert await set_aside(plane) == []


async def test_pauses_between_two_tries_grow(plane: ControlPlane) -> None:
    await plane.engine.create_run(new_run())
    await spoil(plane, "a0", UNREADABLE)
    pauses: list[int] = []
    async with plane.working():
        for _ in range(120):
            await plane.clock.sleep(5)
            for entry in await set_aside(plane):
                if len(pauses) < entry.failures:
                    pauses.append(round((entry.until - plane.clock.now_us()) / 1_000_000))
    assert pauses == sorted(pauses)
    assert (len(pauses) >= 4, pauses[0] <= 10, pauses[-1] > 60) == (True, True, True), pauses


async def test_a_living_row_keeps_its_process_and_stops_nobody(plane: ControlPlane) -> None:
    async with plane.working():
        run = await plane.start_root()
        for name in ("bad", "good"):
            await plane.engine.enqueue(run, new_action(name))
        await plane.settle()
        old = await spoil(plane, "bad", UNREADABLE)
        plane.executor.lose("good")
        await plane.clock.sleep(30)
        assert "bad" not in plane.executor.killed, "whose row cannot be read is not a stray process"
        assert (await plane.action("good")).attempt == 2, "the reconciler goes on"
        attempt = plane.executor.attempt("bad")
        with pytest.raises(
            errors.Unreadable, match="row of action bad of run number 1 cannot be read"
        ):
            await plane.engine.apply(Succeeded(attempt, plane.clock.now_us()))
        listed = await plane.database.read(actions.listing, run)
        assert [action.name for action in listed] == ["a0", "good"]
        assert len(await plane.database.read(runs.listing, runs.RunQuery())) == 1
        await plane.database.write(_write, 1, "bad", "policy", old)
        await plane.executor.succeed("bad")
        assert (await plane.action("bad")).phase is Phase.SUCCEEDED


async def test_a_time_limit_is_kept_beside_a_row_that_cannot_be_read(plane: ControlPlane) -> None:
    async with plane.working():
        run = await plane.start_root()
        for name in ("bad", "good"):
            policy = Policy(max_runtime_seconds=20)
            await plane.engine.enqueue(run, new_action(name, policy=policy))
        await plane.settle()
        await spoil(plane, "bad", UNREADABLE)
        await plane.clock.sleep(60)
        assert (await plane.action("good")).phase is Phase.TIMED_OUT
        (entry,) = await set_aside(plane)
        assert (entry.action, "JSONDecodeError" in entry.error) == ("bad", True)


async def test_a_row_in_a_phase_that_is_none_is_found(plane: ControlPlane) -> None:
    async with plane.working():
        run = await plane.start_root()
        await plane.engine.enqueue(run, new_action("bad"))
        await plane.settle()
        await spoil(plane, "bad", ("phase", "runing"))
        assert await plane.database.read(actions.phase_counts, run) == {Phase.RUNNING: 1}
        await plane.clock.sleep(400)
        (entry,) = await set_aside(plane)
        assert "'runing'" in entry.error
        assert plane.executor.killed == []


@pytest.mark.parametrize("pause", [1, 700])
async def test_an_abort_holds_for_a_row_that_could_not_be_read_then(
    plane: ControlPlane, pause: int
) -> None:
    run, _ = await plane.engine.create_run(new_run())
    await plane.engine.enqueue(run.id, new_action("bad"))
    old = await spoil(plane, "bad", UNREADABLE)
    async with plane.working():
        await plane.settle()
        await plane.engine.abort_run(run.id, "enough")
        await plane.clock.sleep(pause)
        await plane.database.write(_write, run.id, "bad", "policy", old)
        await plane.clock.sleep(700)
        assert "bad" not in plane.executor.launched
        assert (await plane.action("bad")).phase is Phase.ABORTED
        assert await set_aside(plane) == []
