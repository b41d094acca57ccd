"""Time limits under clocks that jump: a laptop that slept, a clock that was set."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain import limits
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Policy
from flyte_server.engine.engine import Rules

pytestmark = pytest.mark.looptime
HOUR_US = 3_600_000_000


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    made = ControlPlane(LoopClock())
    async with made.running():
        yield made


def jump(plane: ControlPlane, by_us: int) -> None:
    assert isinstance(plane.clock, LoopClock)
    plane.clock.offset_us += by_us


@pytest.mark.parametrize("by_us", [HOUR_US, -HOUR_US])
async def test_a_jump_of_the_clock_is_no_time_that_a_task_ran(
    plane: ControlPlane, by_us: int
) -> None:
    await plane.start_root(policy=Policy(max_runtime_seconds=60))
    await plane.clock.sleep(30)
    jump(plane, by_us)
    await plane.clock.sleep(25)
    assert (await plane.action("a0")).phase is Phase.RUNNING, "it has run for 55 s"
    await plane.clock.sleep(20)
    root = await plane.action("a0")
    assert root.phase is Phase.TIMED_OUT, "it has run for 75 s"
    assert root.failure is not None
    assert root.failure.code == limits.MAX_RUNTIME
    assert "ran for 60." in root.failure.message


async def test_sleeping_again_and_again_adds_up(plane: ControlPlane) -> None:
    await plane.start_root(policy=Policy(max_runtime_seconds=60))
    for _ in range(4):
        await plane.clock.sleep(12)
        jump(plane, HOUR_US)
    await plane.clock.sleep(8)
    assert (await plane.action("a0")).phase is Phase.RUNNING
    await plane.clock.sleep(20)
    assert (await plane.action("a0")).phase is Phase.TIMED_OUT


async def test_what_starts_after_a_jump_has_its_own_time(plane: ControlPlane) -> None:
    run = await plane.start_root()
    await plane.clock.sleep(30)
    jump(plane, HOUR_US)
    policy = Policy(max_runtime_seconds=60)
    await plane.engine.enqueue(run, new_action("c", policy=policy))
    await plane.clock.sleep(50)
    assert (await plane.action("c")).phase is Phase.RUNNING
    await plane.clock.sleep(30)
    assert (await plane.action("c")).phase is Phase.TIMED_OUT


async def test_a_jump_is_no_time_in_the_queue(plane: ControlPlane) -> None:
    plane.engine._rules = Rules(Capacity(1))
    await plane.start_root()
    patient = Policy(max_queued_seconds=60)
    other, _ = await plane.engine.create_run(new_run("other", policy=patient))
    await plane.clock.sleep(30)
    jump(plane, HOUR_US)
    await plane.clock.sleep(25)
    assert (await plane.action("a0", other.id)).phase is Phase.QUEUED
    await plane.clock.sleep(20)
    waited = await plane.action("a0", other.id)
    assert waited.phase is Phase.TIMED_OUT
    assert waited.failure is not None
    assert waited.failure.code == limits.MAX_QUEUED


async def test_the_deadline_is_a_moment_whoever_slept_until_then(plane: ControlPlane) -> None:
    await plane.start_root(policy=Policy(deadline_seconds=600, retries=3))
    jump(plane, HOUR_US)
    await plane.clock.sleep(15)
    root = await plane.action("a0")
    assert (root.phase, root.attempt) == (Phase.TIMED_OUT, 1)
    assert root.failure is not None
    assert root.failure.code == limits.DEADLINE


async def test_a_retry_does_not_inherit_what_the_attempt_before_slept(plane: ControlPlane) -> None:
    await plane.start_root(policy=Policy(max_runtime_seconds=60, retries=1))
    jump(plane, HOUR_US)
    await plane.clock.sleep(75)
    root = await plane.action("a0")
    assert (root.attempt, root.phase, root.slept_us) == (2, Phase.RUNNING, 0)
    await plane.clock.sleep(70)
    assert (await plane.action("a0")).phase is Phase.TIMED_OUT
