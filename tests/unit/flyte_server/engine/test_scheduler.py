"""The scheduler: what starts, when, in which order and how many at once."""

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain.phases import Blame, Phase
from flyte_server.domain.records import Failure, Policy

pytestmark = pytest.mark.looptime


async def test_a_new_run_starts_at_once() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        await plane.start_root()
        root = await plane.action("a0")
        assert (root.phase, root.attempt) == (Phase.RUNNING, 1)
        assert plane.executor.launched == ["a0"]


async def test_no_more_attempts_than_slots_are_alive() -> None:
    async with ControlPlane(LoopClock(), slots=3).running() as plane:
        run_id = await plane.start_root()
        for number in range(10):
            await plane.engine.enqueue(run_id, new_action(f"c{number}"))
        await plane.settle()
        assert len(plane.executor.held) == 4, "three children, and the parent that waits for them"
        await plane.executor.succeed("c0")
        await plane.settle()
        assert plane.executor.launched == ["a0", "c0", "c1", "c2", "c3"]


async def test_nested_parents_never_wait_for_each_other_in_one_slot() -> None:
    async with ControlPlane(LoopClock(), slots=1).running() as plane:
        run_id = await plane.start_root()
        for depth, parent in enumerate(["a0", "d0", "d1", "d2"]):
            await plane.engine.enqueue(run_id, new_action(f"d{depth}", parent))
            await plane.settle()
        assert plane.executor.launched == ["a0", "d0", "d1", "d2", "d3"]


async def test_children_pass_roots_that_came_a_moment_before() -> None:
    async with ControlPlane(LoopClock(), slots=1).running() as plane:
        run_id = await plane.start_root()
        for number in range(3):
            await plane.engine.create_run(new_run(f"later-{number}"))
        await plane.engine.enqueue(run_id, new_action("child"))
        await plane.settle()
        assert plane.executor.launched == ["a0", "child"]


async def test_a_root_does_not_wait_behind_children_for_ever() -> None:
    async with ControlPlane(LoopClock(), slots=1).running() as plane:
        run_id = await plane.start_root()
        await plane.engine.create_run(new_run("second"))
        await plane.clock.sleep(10)
        await plane.engine.enqueue(run_id, new_action("c0"))
        await plane.engine.enqueue(run_id, new_action("c1"))
        await plane.settle()
        assert len(plane.executor.held) == 2
        assert plane.executor.launched == ["a0", "a0"]


async def test_a_retry_waits_for_its_backoff() -> None:
    policy = Policy(retries=1, backoff_base_seconds=60)
    async with ControlPlane(LoopClock()).running() as plane:
        await plane.start_root(policy=policy)
        await plane.executor.fail("a0", Failure("ValueError", "no"))
        await plane.clock.sleep(59)
        assert (await plane.action("a0")).phase is Phase.QUEUED
        await plane.clock.sleep(2)
        assert (await plane.action("a0")).phase is Phase.RUNNING
        assert plane.executor.launched == ["a0", "a0"]


async def test_a_launch_that_fails_is_the_systems_fault_and_is_tried_again() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        plane.executor.refuse.add("a0")
        await plane.engine.create_run(new_run(policy=Policy(system_retries=2)))
        await plane.clock.sleep(1.5)
        assert (await plane.action("a0")).system_failures == 2
        await plane.clock.sleep(60)
        root = await plane.action("a0")
        assert root.phase is Phase.FAILED
        assert root.failure == Failure(
            "LaunchFailed", "OSError: no process for a0", Blame.SYSTEM, recoverable=True
        )
        assert root.attempt == 3


async def test_an_idle_control_plane_leaves_the_store_alone() -> None:
    plane = ControlPlane(LoopClock())
    transactions: list[str] = []
    async with plane.running():
        await plane.settle()
        watch = plane.database._connection().set_trace_callback
        watch(lambda sql: transactions.append(sql) if sql.startswith("BEGIN") else None)
        await plane.clock.sleep(60)
        watch(None)
    assert len(transactions) <= 60 / 10 + 2 * 60 / 5 + 2 * 60 / 10
