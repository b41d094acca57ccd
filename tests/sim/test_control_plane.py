"""The whole control plane under random load, trouble and restarts: everything ends, no process
survives."""

import asyncio
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
from flyte_server.domain.phases import Blame, Phase
from flyte_server.domain.records import ActionKey, Failure, Policy
from flyte_server.store import actions
from flyte_server.store.database import Database

NAMES = ["c0", "c1", "c2", "g0", "g1"]
POLICY = Policy(retries=1, max_runtime_seconds=40, deadline_seconds=300)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.sampled_from(NAMES), st.sampled_from(["a0", "c0", "c1"])),
        st.tuples(st.just("succeed"), st.sampled_from(["a0", *NAMES])),
        st.tuples(st.just("fail"), st.sampled_from(["a0", *NAMES]), st.sampled_from(Blame)),
        st.tuples(st.just("lose"), st.sampled_from(["a0", *NAMES])),
        st.tuples(st.just("abort"), st.sampled_from(["a0", *NAMES])),
        st.tuples(st.just("refuse"), st.sampled_from(NAMES)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.3, 2.0, 7.0, 50.0])),
        st.tuples(st.just("jump"), st.sampled_from([1, 3600])),
        st.tuples(st.just("restart")),
    ),
    max_size=25,
)


async def play(plan: list[tuple[Any, ...]], phases: dict[str, Phase]) -> None:
    """Do what the plan says, then let everything come to an end; leaves the phases at the end."""
    clock, database = LoopClock(), Database.in_memory()
    executor = FakeExecutor(clock)
    remaining = list(plan)
    first = True
    while remaining or first:
        plane = ControlPlane(clock, database, slots=2)
        plane.adopt(executor, restarted=not first)
        async with plane.working():
            if first:
                await plane.engine.create_run(new_run(policy=POLICY))
            first = False
            while remaining:
                what, *values = remaining.pop(0)
                if what == "restart":
                    break
                await step(plane, what, *values)
    plane = ControlPlane(clock, database, slots=2)
    plane.adopt(executor, restarted=True)
    async with plane.working():
        await clock.sleep(1_000)  # every action has a deadline, so all end without any help
    left = await database.read(actions.run_since, 1, 0)
    phases |= {action.name: action.phase for action in left}
    assert all(phase.terminal for phase in phases.values()), phases
    assert not executor.held
    database.close()


async def step(plane: ControlPlane, what: str, *values: Any) -> None:
    """Somebody asks for something, or time passes."""
    match what, values:
        case "enqueue", [name, parent]:
            with suppress(errors.NotFound, errors.Aborted):
                await plane.engine.enqueue(1, new_action(name, parent, policy=POLICY))
        case "wait", [seconds]:
            await plane.clock.sleep(seconds)
        case "jump", [seconds]:
            plane.clock.offset_us += seconds * 1_000_000  # type: ignore[attr-defined]
        case "abort", [name]:
            await abort(plane, name)
        case _:
            await happen(plane.executor, what, *values)


async def happen(executor: FakeExecutor, what: str, name: str, *values: Any) -> None:
    """Something becomes of a process."""
    if what == "refuse":
        executor.refuse ^= {name}
    elif name in {attempt.action for attempt in executor.held}:
        if what == "succeed":
            await executor.succeed(name)
        elif what == "fail":
            await executor.fail(name, Failure("E", "no", *values))
        elif what == "lose":
            executor.lose(name)


async def abort(plane: ControlPlane, name: str) -> None:
    try:
        await plane.engine.abort_action(ActionKey(1, name), "enough")
    except errors.NotFound:
        return
    launched = list(plane.executor.launched)
    await plane.clock.sleep(0)
    action = await plane.action(name)
    assert action.phase.terminal or action.aborting is not None
    assert plane.executor.launched[len(launched) :].count(name) == 0


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(main)


@settings(max_examples=60, deadline=None)
@given(plan=steps)
def test_everything_ends_and_no_process_survives(plan: list[tuple[Any, ...]]) -> None:
    run(play(plan, {}))


def test_a_run_without_trouble_succeeds() -> None:
    plan = [
        ("wait", 0.3),
        ("enqueue", "c0", "a0"),
        ("wait", 0.3),
        ("restart",),
        ("wait", 0.3),
        ("succeed", "c0"),
        ("succeed", "a0"),
    ]

    phases: dict[str, Phase] = {}
    run(play(plan, phases))
    assert phases == {"a0": Phase.SUCCEEDED, "c0": Phase.SUCCEEDED}
