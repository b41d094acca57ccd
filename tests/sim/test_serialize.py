"""Equal actions under random trouble and restarts: one executes at a time, the others take its result, and none waits
for ever."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import looptime
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run
from tests.fakes.executor import FakeExecutor

from flyte_server.domain import errors
from flyte_server.domain.phases import LIVE, Blame, CacheStatus, Phase
from flyte_server.domain.records import Action, ActionKey, AttemptKey, Failure, Policy
from flyte_server.store import actions
from flyte_server.store.database import Database

KEYS = ["j", "k"]
RUNS = [1, 2, 3]
POLICY = Policy(retries=1, system_retries=1, cache_serialize=True)

asks = st.tuples(st.just("ask"), st.sampled_from(RUNS), st.sampled_from(KEYS), st.integers(0, 5))
ends = st.tuples(st.sampled_from(["succeed", "fail", "lose", "abort"]), st.integers(0, 9))
waits = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.3, 4.0, 30.0]))
plans = st.lists(asks | asks | ends | waits | st.tuples(st.just("restart")), max_size=40)


class World:
    """Three runs whose actions call equal tasks; `deep`: also below each other."""

    def __init__(self, *, deep: bool) -> None:
        self.deep = deep
        self.clock = LoopClock()
        self.database = Database.in_memory()
        self.executor = FakeExecutor(self.clock)
        self.asked: dict[int, list[str]] = {run: [] for run in RUNS}

    async def play(self, plan: list[tuple[Any, ...]]) -> list[Action]:
        """Do what the plan says, then let everything come to an end; gives all actions."""
        remaining = list(plan)
        is_first = True
        while remaining or is_first:
            plane = self.plane(restarted=not is_first)
            async with plane.working():
                if is_first:
                    for run in RUNS:
                        await plane.engine.create_run(new_run(f"r{run}"))
                    await self.clock.sleep(0.3)
                is_first = False
                while remaining and (step := remaining.pop(0)) != ("restart",):
                    await self.step(plane, *step)
                    await self.check()
        async with self.plane(restarted=True).working():
            await self.finish()
        found = await self.all()
        self.database.close()
        return found

    def plane(self, *, restarted: bool) -> ControlPlane:
        plane = ControlPlane(self.clock, self.database, slots=3)
        plane.adopt(self.executor, restarted=restarted)
        return plane

    async def all(self) -> list[Action]:
        found = [await self.database.read(actions.run_since, run, 0) for run in RUNS]
        return [action for of_run in found for action in of_run]

    async def step(self, plane: ControlPlane, what: str, *values: Any) -> None:
        match what, values:
            case "ask", [run, key, which]:
                await self.ask(plane, run, key, which)
            case "wait", [seconds]:
                await self.clock.sleep(seconds)
            case _, [which]:
                await self.end(plane, what, which)

    async def ask(self, plane: ControlPlane, run: int, key: str, which: int) -> None:
        known = self.asked[run]
        # Only what is executed can call something.
        parents = [attempt.action for attempt in self.held() if attempt.run_id == run]
        parent = parents[which % len(parents)] if self.deep and parents and which else "a0"
        name = f"{key}-{sum(map(len, self.asked.values()))}"
        with suppress(errors.Aborted):
            command = new_action(name, parent, cache_key=key, policy=POLICY)
            await plane.engine.enqueue(run, command)
            known.append(name)

    async def end(self, plane: ControlPlane, what: str, which: int) -> None:
        held = sorted(self.held(), key=lambda attempt: (attempt.run_id, attempt.action))
        if not held:
            return
        attempt = held[which % len(held)]
        if what == "abort":
            key = ActionKey(attempt.run_id, attempt.action)
            await plane.engine.abort_action(key, "enough")
        elif what == "lose":
            self.executor.lose(attempt.action)
        elif what == "fail":
            blame = Blame.SYSTEM if which % 2 else Blame.USER
            await self.executor.fail(attempt.action, Failure("E", "no", blame))
        else:
            await self.executor.succeed(attempt.action)

    def held(self) -> list[AttemptKey]:
        return [attempt for attempt in self.executor.held if attempt.action != "a0"]

    async def check(self) -> None:
        """Of equal actions at most one is executed, where none lies below another."""
        if not self.deep:
            alive = [action for action in await self.all() if action.phase in LIVE]
            counts = Counter(action.serial_key for action in alive if action.serial_key)
            assert all(count == 1 for count in counts.values()), counts

    async def finish(self) -> None:
        """Every process ends well as soon as what it called has ended."""
        for _ in range(100):
            await self.clock.sleep(10)
            for attempt in list(self.executor.held):
                key = ActionKey(attempt.run_id, attempt.action)
                if not await self.database.read(actions.has_open_children, key):
                    await self.succeed(attempt)
            if all(action.phase.terminal for action in await self.all()):
                return

    async def succeed(self, attempt: AttemptKey) -> None:
        if attempt.action == "a0":  # the name is not the only one: tell the executor which
            spec = self.executor.held.pop(attempt)
            self.executor.held = {attempt: spec, **self.executor.held}
        await self.executor.succeed(attempt.action)


def run(main: Coroutine[Any, Any, list[Action]]) -> list[Action]:
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(main)


@settings(max_examples=60, deadline=None)
@given(plan=plans, deep=st.booleans())
def test_one_executes_and_none_waits_for_ever(plan: list[tuple[Any, ...]], deep: bool) -> None:
    found = run(World(deep=deep).play(plan))
    waiting = [action for action in found if not action.phase.terminal]
    assert not waiting, waiting
    by_source = {f"r{action.run_id}/{action.name}/{action.attempt}": action for action in found}
    for action in found:
        if action.cache_status is CacheStatus.HIT:
            maker = by_source[action.cache_source or ""]
            assert (maker.phase, maker.cache_key) == (Phase.SUCCEEDED, action.cache_key)
            assert maker.cache_status is CacheStatus.POPULATED


def test_without_trouble_each_key_is_executed_once() -> None:
    plan = [("ask", number % 3 + 1, key, 0) for number in range(9) for key in KEYS]
    found = [action for action in run(World(deep=False).play(plan)) if action.parent]
    statuses = Counter((action.cache_key, action.cache_status) for action in found)
    assert statuses == {
        (key, status): count
        for key in KEYS
        for status, count in ((CacheStatus.POPULATED, 1), (CacheStatus.HIT, 8))
    }
