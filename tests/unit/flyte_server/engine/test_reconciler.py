"""The reconciler: rows and processes agree in the end, whatever happened to either."""

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action
from tests.fakes.executor import FakeLaunchSpecs

from flyte_server.domain.events import Failed
from flyte_server.domain.phases import Blame, Phase
from flyte_server.domain.records import Action, ActionKey, AttemptKey, Failure, Policy
from flyte_server.engine.ports import LaunchSpec
from flyte_server.store import actions

pytestmark = pytest.mark.looptime


async def test_an_aborted_run_ends_with_no_process_left() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        for name, parent in [("c0", "a0"), ("c1", "a0"), ("g0", "c0")]:
            await plane.engine.enqueue(run_id, new_action(name, parent))
        await plane.settle()
        await plane.engine.abort_run(run_id, "enough")
        await plane.settle()
        assert not plane.executor.held
        for name in ("a0", "c0", "c1", "g0"):
            action = await plane.action(name)
            assert action.phase is Phase.ABORTED
            assert action.failure == Failure("Aborted", "enough", recoverable=False)


async def test_a_killed_process_that_reports_success_is_aborted_all_the_same() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        plane.executor.deaf.add("a0")
        await plane.engine.abort_run(run_id, "enough")
        await plane.settle()
        assert (await plane.action("a0")).phase is Phase.RUNNING, "its process still lives"
        await plane.executor.succeed("a0")
        assert (await plane.action("a0")).phase is Phase.ABORTED


async def test_a_kill_without_effect_is_repeated() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        plane.executor.deaf.add("a0")
        await plane.engine.abort_run(run_id, "enough")
        await plane.clock.sleep(20)
        assert plane.executor.killed.count("a0") >= 3
        plane.executor.deaf.clear()
        await plane.clock.sleep(6)
        assert (await plane.action("a0")).phase is Phase.ABORTED


async def test_a_process_that_vanished_is_replaced() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        plane.executor.lose("a0")
        await plane.clock.sleep(15)
        root = await plane.action("a0")
        assert (root.phase, root.attempt) == (Phase.RUNNING, 2)
        assert (root.system_failures, root.user_failures) == (1, 0)
        first = (await plane.database.read(actions.attempts, run_id, "a0"))[0]
        assert first.phase is Phase.FAILED
        assert first.failure is not None
        assert (first.failure.code, first.failure.blame) == ("WorkerLost", Blame.SYSTEM)


async def test_one_look_is_not_enough_to_lose_a_process() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        await plane.start_root()
        spec = plane.executor.held.pop(plane.executor.attempt("a0"))
        await plane.clock.sleep(2)
        plane.executor.held[spec.attempt] = spec
        await plane.clock.sleep(60)
        assert (await plane.action("a0")).attempt == 1


async def test_a_slow_launch_is_not_lost() -> None:
    plane = ControlPlane(LoopClock())

    class Slow(FakeLaunchSpecs):
        async def of(self, action: Action) -> LaunchSpec:
            await plane.clock.sleep(30)
            return await super().of(action)

    plane.scheduler._launch_specs = Slow()
    async with plane.running():
        await plane.start_root()
        await plane.clock.sleep(40)
        root = await plane.action("a0")
        assert (root.phase, root.attempt) == (Phase.RUNNING, 1)


async def test_an_attempt_that_is_aborted_on_its_way_is_never_launched() -> None:
    plane = ControlPlane(LoopClock())

    class Slow(FakeLaunchSpecs):
        async def of(self, action: Action) -> LaunchSpec:
            await plane.clock.sleep(30)
            return await super().of(action)

    plane.scheduler._launch_specs = Slow()
    async with plane.running():
        run_id = await plane.start_root()
        await plane.engine.abort_run(run_id, "enough")
        await plane.clock.sleep(60)
        assert plane.executor.launched == []
        assert (await plane.action("a0")).phase is Phase.ABORTED


async def test_a_process_that_no_row_wants_is_killed() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        await plane.start_root()
        spec = plane.executor.held[plane.executor.attempt("a0")]
        stray = AttemptKey(1, "a0", 7, "another token")
        plane.executor.held[stray] = spec
        await plane.clock.sleep(2)
        assert stray in plane.executor.held, "one look may be too early"
        await plane.clock.sleep(10)
        assert stray not in plane.executor.held
        assert (await plane.action("a0")).phase is Phase.RUNNING


async def test_children_of_a_failed_parent_are_aborted_with_all_theirs() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        await plane.engine.enqueue(run_id, new_action("c0"))
        await plane.settle()
        await plane.engine.enqueue(run_id, new_action("g0", "c0"))
        await plane.settle()
        await plane.executor.fail("a0", Failure("ValueError", "no"))
        await plane.settle()
        assert not plane.executor.held
        assert (await plane.action("g0")).phase is Phase.ABORTED
        child = await plane.action("c0")
        assert child.phase is Phase.ABORTED
        assert child.failure is not None
        assert "parent a0 has ended" in child.failure.message
        assert (await plane.action("a0")).phase is Phase.FAILED


async def test_children_of_a_parent_that_is_retried_live_on() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root(policy=Policy(retries=1))
        await plane.engine.enqueue(run_id, new_action("c0"))
        await plane.settle()
        await plane.executor.fail("a0", Failure("ValueError", "no"))
        await plane.clock.sleep(30)
        assert (await plane.action("c0")).phase is Phase.RUNNING
        assert (await plane.action("a0")).attempt == 2


async def test_a_row_that_makes_trouble_does_not_stop_the_others() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        for name in ("bad", "good"):
            await plane.engine.enqueue(run_id, new_action(name))
        await plane.settle()
        kill = plane.executor.kill

        class Stubborn(type(plane.executor)):
            async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
                if attempt.action == "bad":
                    self.killed.append("bad")
                    raise RuntimeError("cannot kill bad")
                await kill(attempt, grace_seconds)

        stubborn = Stubborn(plane.clock)
        stubborn.held = plane.executor.held
        plane.reconciler._executor = stubborn
        await plane.engine.abort_run(run_id, "enough")
        await plane.clock.sleep(9)
        assert (await plane.action("good")).phase is Phase.ABORTED
        root = await plane.action("a0")
        assert root.phase is Phase.RUNNING, "ABORTED would say that nothing of the tree is alive"
        assert stubborn.killed == ["bad"], "set aside for a while"
        await plane.clock.sleep(20)
        assert len(stubborn.killed) > 1, "and then tried again"


async def test_max_runtime_kills_and_pays_from_the_retries() -> None:
    policy = Policy(retries=1, max_runtime_seconds=30)
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root(policy=policy)
        await plane.clock.sleep(29)
        assert (await plane.action("a0")).attempt == 1
        await plane.clock.sleep(2)
        root = await plane.action("a0")
        assert (root.phase, root.attempt, root.user_failures) == (Phase.RUNNING, 2, 1)
        await plane.clock.sleep(31)
        root = await plane.action("a0")
        assert root.phase is Phase.TIMED_OUT
        assert root.failure is not None
        assert root.failure.code == "MaxRuntimeExceeded"
        assert not plane.executor.held
        found = await plane.database.read(actions.attempts, run_id, "a0")
        assert [attempt.phase for attempt in found] == [Phase.TIMED_OUT, Phase.TIMED_OUT]


async def test_a_limit_is_kept_to_a_fraction_of_a_second() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        await plane.start_root(policy=Policy(max_runtime_seconds=0.5))
        await plane.clock.sleep(0.5)
        root = await plane.action("a0")
        assert root.phase is Phase.TIMED_OUT
        assert root.started_at is not None
        assert root.ended_at is not None
        assert 0.5 <= (root.ended_at - root.started_at) / 1e6 < 0.6


async def test_a_deadline_counts_over_all_attempts() -> None:
    policy = Policy(retries=100, deadline_seconds=60)
    async with ControlPlane(LoopClock()).running() as plane:
        await plane.start_root(policy=policy)
        for _ in range(3):
            await plane.clock.sleep(15)
            await plane.executor.fail("a0", Failure("ValueError", "no"))
            await plane.settle()
        await plane.clock.sleep(20)
        root = await plane.action("a0")
        assert root.phase is Phase.TIMED_OUT
        assert root.failure is not None
        assert root.failure.code == "DeadlineExceeded"
        assert not plane.executor.held


async def test_waiting_too_long_for_a_slot_ends_an_action() -> None:
    async with ControlPlane(LoopClock(), slots=1).running() as plane:
        run_id = await plane.start_root()
        await plane.engine.enqueue(run_id, new_action("c0"))
        await plane.engine.enqueue(run_id, new_action("c1", policy=Policy(max_queued_seconds=5)))
        await plane.clock.sleep(6)
        waiting = await plane.action("c1")
        assert waiting.phase is Phase.TIMED_OUT
        assert waiting.failure is not None
        assert waiting.failure.code == "MaxQueuedTimeExceeded"
        assert (await plane.action("c0")).phase is Phase.RUNNING


async def test_a_kill_for_a_time_limit_is_repeated_until_the_process_is_gone() -> None:
    clock = LoopClock()
    plane = ControlPlane(clock)
    async with plane.running():
        await plane.start_root(policy=Policy(max_runtime_seconds=5))
        plane.executor.deaf.add("a0")
        await clock.sleep(6)
        assert (await plane.action("a0")).stopping is not None
        plane.executor.deaf.clear()
        await clock.sleep(6)
        assert (await plane.action("a0")).phase is Phase.TIMED_OUT
        assert not plane.executor.held


async def test_an_end_reported_late_changes_nothing() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        late = plane.executor.attempt("a0")
        plane.executor.lose("a0")
        await plane.clock.sleep(15)
        before = await plane.action("a0")
        await plane.engine.apply(Failed(late, Failure("ValueError", "late"), plane.clock.now_us()))
        assert await plane.action("a0") == before
        assert before.key == ActionKey(run_id, "a0")
