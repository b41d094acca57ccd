"""After the answer to an abort nothing of the tree starts, whatever was on its way; ABORTED comes last."""

import asyncio
import random
from contextlib import suppress

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action
from tests.fakes.executor import FakeLaunchSpecs

from flyte_server.domain import errors
from flyte_server.domain.events import Failed
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, ActionKey, Failure, Policy
from flyte_server.engine.ports import LaunchSpec
from flyte_server.store import actions

pytestmark = pytest.mark.looptime


async def test_a_retry_that_waits_for_its_backoff_never_comes() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        again = Policy(retries=3, backoff_base_seconds=10)
        await plane.engine.enqueue(run_id, new_action("c", policy=again))
        await plane.settle()
        await plane.executor.fail("c", Failure("ValueError", "no"))
        await plane.engine.abort_action(ActionKey(run_id, "c"), "enough")
        assert (await plane.action("c")).phase is Phase.ABORTED
        await plane.clock.sleep(60)
        assert plane.executor.launched == ["a0", "c"]


async def test_what_waits_for_an_equal_action_never_comes() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        serial = {"cache_key": "k", "policy": Policy(cache_serialize=True)}
        for name in ("first", "second"):
            await plane.engine.enqueue(run_id, new_action(name, **serial))
        await plane.settle()
        assert (await plane.action("second")).waits_for_turn
        await plane.engine.abort_run(run_id, "enough")
        await plane.clock.sleep(60)
        assert plane.executor.launched == ["a0", "first"]
        assert (await plane.action("second")).phase is Phase.ABORTED


async def test_one_that_was_claimed_but_not_launched_is_not() -> None:
    plane = ControlPlane(LoopClock())

    class Slow(FakeLaunchSpecs):
        async def of(self, action: Action) -> LaunchSpec:
            await plane.clock.sleep(5 if action.name == "c" else 0)
            return await super().of(action)

    plane.scheduler._launch_specs = Slow()
    async with plane.running():
        run_id = await plane.start_root()
        await plane.engine.enqueue(run_id, new_action("c"))
        await plane.settle()
        assert (await plane.action("c")).phase is Phase.INITIALIZING
        await plane.engine.abort_action(ActionKey(run_id, "c"), "enough")
        await plane.clock.sleep(60)
        assert plane.executor.launched == ["a0"]
        assert (await plane.action("c")).phase is Phase.ABORTED


async def test_a_parent_that_goes_on_gets_no_new_grandchildren() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        await plane.engine.enqueue(run_id, new_action("c"))
        await plane.settle()
        plane.executor.deaf.add("c")
        await plane.engine.abort_action(ActionKey(run_id, "c"), "enough")
        with pytest.raises(errors.Aborted, match="c of run r is being aborted \\(enough\\)"):
            await plane.engine.enqueue(run_id, new_action("g", "c"))
        await plane.engine.enqueue(run_id, new_action("other"))
        await plane.settle()
        assert plane.executor.launched == ["a0", "c", "other"]


async def test_a_run_is_aborted_when_the_last_of_its_tree_is() -> None:
    """The root's process ends at once; that of a grandchild resists."""
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        for name, parent in [("c", "a0"), ("g", "c"), ("done", "a0")]:
            await plane.engine.enqueue(run_id, new_action(name, parent))
        await plane.settle()
        await plane.executor.succeed("done")
        plane.executor.deaf.add("g")
        await plane.engine.abort_run(run_id, "enough")
        await plane.clock.sleep(30)
        assert list(plane.executor.held) == [plane.executor.attempt("g")]
        for name in ("a0", "c", "g"):
            action = await plane.action(name)
            assert (action.phase, action.aborting) == (Phase.RUNNING, "enough")
            assert action.ending_since is not None
        plane.executor.deaf.clear()
        await plane.clock.sleep(6)
        for name in ("a0", "c", "g"):
            action = await plane.action(name)
            assert (action.phase, action.ending_since) == (Phase.ABORTED, None)


async def test_parents_are_not_killed_over_and_over_while_they_wait() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        await plane.engine.enqueue(run_id, new_action("c"))
        await plane.settle()
        plane.executor.deaf.add("c")
        await plane.engine.abort_run(run_id, "enough")
        await plane.clock.sleep(60)
        assert plane.executor.killed.count("a0") == 1
        await plane.executor.succeed("c")
        await plane.settle()
        assert (await plane.action("a0")).phase is Phase.ABORTED


async def test_an_abort_survives_the_death_of_the_control_plane() -> None:
    """The marks stand in the rows: the next control plane goes on with the abort."""
    clock = LoopClock()
    first = ControlPlane(clock)
    async with first.working():
        run_id = await first.start_root()
        await first.engine.enqueue(run_id, new_action("c"))
        await first.settle()
        first.executor.deaf.update(("a0", "c"))
        await first.engine.abort_run(run_id, "enough")
    first.executor.deaf.clear()
    second = ControlPlane(clock, first.database)
    second.adopt(first.executor, restarted=True)
    async with second.running():
        await clock.sleep(12)
        assert (await second.action("a0")).phase is Phase.ABORTED
        assert not second.executor.held


@pytest.mark.parametrize("seed", range(25))
async def test_nothing_starts_after_the_answer_in_any_order(seed: int) -> None:
    """Many ask at the same moment, some in the batch of the abort; then the list of launches stands still."""
    draw = random.Random(seed)
    async with ControlPlane(LoopClock(), slots=3).running() as plane:
        run_id = await plane.start_root(policy=Policy(retries=5))
        names = ["a0"]
        for number in range(12):
            again = Policy(retries=5, backoff_base_seconds=draw.choice([0, 1, 5]))
            name, parent = f"c{number}", draw.choice(names)
            with suppress(errors.Aborted):
                await plane.engine.enqueue(run_id, new_action(name, parent, policy=again))
                names.append(name)
            await plane.clock.sleep(draw.choice([0, 0.01, 0.3]))
        late = [
            plane.engine.enqueue(run_id, new_action(f"late{number}", draw.choice(names)))
            for number in range(3)
        ]
        fails = [
            plane.executor.fail(held.action, Failure("ValueError", "no"))
            for held in list(plane.executor.held)
            if draw.random() < 0.5
        ]
        asked = [*late, *fails, plane.engine.abort_run(run_id, "enough")]
        draw.shuffle(asked)
        await asyncio.gather(*asked, return_exceptions=True)
        launched = list(plane.executor.launched)
        await plane.clock.sleep(120)
        assert plane.executor.launched == launched
        assert not plane.executor.held
        found = await plane.database.read(actions.phase_counts, run_id, None)
        assert all(phase.terminal for phase in found), found


async def test_an_abort_and_an_end_in_one_transaction_are_two_changes() -> None:
    async with ControlPlane(LoopClock()).running() as plane:
        run_id = await plane.start_root()
        attempt = plane.executor.attempt("a0")
        before = await plane.action("a0")
        ended = Failed(attempt, Failure("E", "no"), plane.clock.now_us())
        await asyncio.gather(plane.engine.abort_run(run_id, "enough"), plane.engine.apply(ended))
        after = await plane.action("a0")
        assert (after.phase, after.version) == (Phase.ABORTED, before.version + 2)
