"""The cache of the control plane: age, scope, damage, turns of equal actions, and what all that costs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.fakes.clock import LoopClock, ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain.capacity import Capacity
from flyte_server.domain.events import Started, Succeeded
from flyte_server.domain.phases import CacheStatus, Phase
from flyte_server.domain.records import Action, AttemptKey, Failure, Policy
from flyte_server.engine.engine import Engine
from flyte_server.store.database import Database

SERIAL = Policy(cache_serialize=True)


@dataclass
class Outputs:
    """Implements `engine.ports.Outputs`: a test says what is wrong."""

    problems: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[tuple[str, int | None]] = field(default_factory=list[tuple[str, int | None]])

    def problem(self, output_uri: str, count: int | None) -> str | None:
        self.asked.append((output_uri, count))
        return self.problems.get(output_uri)


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    """Engine and store; nobody schedules."""
    made = ControlPlane(ManualClock())
    yield made
    await made.engine.close()
    made.database.close()


def with_outputs(plane: ControlPlane) -> Outputs:
    outputs = Outputs()
    plane.engine = Engine(plane.database, plane.bus, plane.clock, outputs=outputs)
    return outputs


async def claim_all(plane: ControlPlane) -> dict[tuple[int, str], AttemptKey]:
    claims = await plane.engine.claim(Capacity(1000))
    return {
        (a.run_id, a.name): AttemptKey(a.run_id, a.name, a.attempt, a.token) for a in claims.actions
    }


async def executed(plane: ControlPlane, name: str = "first", **fields: object) -> Action:
    """A run whose root was executed."""
    run, _ = await plane.engine.create_run(new_run(name, cache_key="k", **fields))
    attempts = await claim_all(plane)
    done = await plane.engine.apply(Succeeded(attempts[run.id, "a0"], plane.clock.now_us()))
    assert done is not None
    return done


async def asked(plane: ControlPlane, name: str, **fields: object) -> Action:
    """The root of a run, as it was taken in."""
    _, root = await plane.engine.create_run(new_run(name, cache_key="k", **fields))
    return root


# age and scope


async def test_an_entry_that_is_too_old_is_replaced(plane: ControlPlane) -> None:
    clock = plane.clock
    assert isinstance(clock, ManualClock)
    hourly = Policy(cache_max_age_seconds=3600)
    await executed(plane)
    clock.advance(3599)
    assert (await asked(plane, "young", policy=hourly)).cache_status is CacheStatus.HIT
    clock.advance(2)
    old = await executed(plane, "old", policy=hourly)
    assert (old.cache_status, old.cache_source) == (CacheStatus.POPULATED, "first/a0/1")
    again = await asked(plane, "again", policy=hourly)
    assert (again.cache_status, again.cache_source) == (CacheStatus.HIT, "old/a0/1")
    assert (await asked(plane, "any", policy=Policy())).cache_source == "old/a0/1"


async def test_without_a_limit_an_entry_never_grows_old(plane: ControlPlane) -> None:
    await executed(plane)
    assert isinstance(plane.clock, ManualClock)
    plane.clock.advance(10 * 365 * 86_400)
    assert (await asked(plane, "later")).cache_status is CacheStatus.HIT


async def test_a_run_may_look_into_all_projects(plane: ControlPlane) -> None:
    everywhere = Policy(cache_everywhere=True)
    await executed(plane)
    other = await asked(plane, "other", project="q", policy=everywhere)
    assert (other.cache_status, other.cache_source) == (CacheStatus.HIT, "p/development/first/a0/1")
    assert (await asked(plane, "own", project="q")).cache_status is CacheStatus.MISS


async def test_of_many_projects_the_own_entry_counts_unless_it_is_too_old(
    plane: ControlPlane,
) -> None:
    assert isinstance(plane.clock, ManualClock)
    await executed(plane, "own")
    plane.clock.advance(60)
    await executed(plane, "other", project="q")
    any_age, minute = (
        Policy(cache_everywhere=True),
        Policy(cache_everywhere=True, cache_max_age_seconds=30),
    )
    assert (await asked(plane, "a", policy=any_age)).cache_source == "own/a0/1"
    assert (await asked(plane, "b", policy=minute)).cache_source == "q/development/other/a0/1"


# damage


async def test_outputs_that_cannot_be_used_are_made_again(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    outputs = with_outputs(plane)
    first = await executed(plane)
    policy = Policy(output_count=2)
    assert (await asked(plane, "hit", policy=policy)).cache_status is CacheStatus.HIT
    assert outputs.asked == [(first.output_uri, 2)]
    outputs.problems[first.output_uri] = "outputs.pb is gone"
    again = await executed(plane, "again", policy=policy)
    assert again.cache_status is CacheStatus.POPULATED
    assert "entry by first/a0/1: outputs.pb is gone" in caplog.text
    assert (await asked(plane, "last", policy=policy)).cache_source == "again/a0/1"


# turns


async def test_of_equal_actions_one_executes_and_the_others_take_its_result(
    plane: ControlPlane,
) -> None:
    await plane.engine.create_run(new_run("parent"))
    roots = [await asked(plane, f"r{n}", policy=SERIAL) for n in range(3)]
    assert isinstance(plane.clock, ManualClock)
    plane.clock.advance(1)
    await plane.engine.enqueue(1, new_action("c", cache_key="k", policy=SERIAL))
    assert {root.phase for root in roots} == {Phase.WAITING_FOR_RESOURCES}
    attempts = await claim_all(plane)
    assert attempts.keys() == {(1, "a0"), (2, "a0")}
    assert (await claim_all(plane)) == {}
    assert (await plane.action("a0", 3)).waits_for_turn
    await plane.engine.apply(Succeeded(attempts[2, "a0"], 5))
    assert await claim_all(plane) == {}
    for run_id, name in ((3, "a0"), (4, "a0"), (1, "c")):
        action = await plane.action(name, run_id)
        assert (action.phase, action.cache_status) == (Phase.SUCCEEDED, CacheStatus.HIT)
        assert (action.cache_source, action.attempt) == ("r0/a0/1", 0)


async def test_actions_that_differ_do_not_wait_for_each_other(plane: ControlPlane) -> None:
    await asked(plane, "one", policy=SERIAL)
    await plane.engine.create_run(new_run("other", cache_key="other", policy=SERIAL))
    await plane.engine.create_run(new_run("q", project="q", cache_key="k", policy=SERIAL))
    assert len(await claim_all(plane)) == 3


async def test_who_overwrites_does_not_wait_but_others_wait_for_it(plane: ControlPlane) -> None:
    await asked(plane, "new", policy=SERIAL, overwrite_cache=True)
    waiting = await asked(plane, "waiting", policy=SERIAL)
    await asked(plane, "newer", policy=SERIAL, overwrite_cache=True)
    assert waiting.waits_for_turn
    attempts = await claim_all(plane)
    assert attempts.keys() == {(1, "a0"), (3, "a0")}
    await plane.engine.apply(Succeeded(attempts[1, "a0"], 5))
    assert await claim_all(plane) == {}
    assert (await plane.action("a0", 2)).waits_for_turn, "newer executes still"
    await plane.engine.apply(Succeeded(attempts[3, "a0"], 6))
    await claim_all(plane)
    assert (await plane.action("a0", 2)).cache_source == "newer/a0/1"


async def test_waiting_for_an_equal_action_is_not_waiting_in_the_queue(plane: ControlPlane) -> None:
    assert isinstance(plane.clock, ManualClock)
    policy = Policy(cache_serialize=True, max_queued_seconds=10)
    await asked(plane, "first", policy=policy)
    second = await asked(plane, "second", policy=policy)
    assert second.limit_at is None
    attempts = await claim_all(plane)
    plane.clock.advance(3600)
    await plane.engine.abort_run(1, "enough")
    await plane.engine.apply(Succeeded(attempts[1, "a0"], 5))
    assert (await claim_all(plane)).keys() == {(2, "a0")}


async def test_a_child_never_waits_for_its_own_ancestor(plane: ControlPlane) -> None:
    await asked(plane, "root", policy=SERIAL)
    await claim_all(plane)
    await plane.engine.enqueue(1, new_action("c", cache_key="k", policy=SERIAL))
    assert (await plane.action("c")).phase is Phase.QUEUED
    await claim_all(plane)
    await plane.engine.enqueue(1, new_action("g", "c", cache_key="k", policy=SERIAL))
    assert (await plane.action("g")).phase is Phase.QUEUED


async def test_two_trees_never_wait_for_each_other(plane: ControlPlane) -> None:
    await plane.engine.create_run(new_run("left", cache_key="l", policy=SERIAL))
    await plane.engine.create_run(new_run("right", cache_key="r", policy=SERIAL))
    await claim_all(plane)
    await plane.engine.enqueue(1, new_action("step"))
    await plane.engine.enqueue(1, new_action("to-right", "step", cache_key="r", policy=SERIAL))
    assert (await plane.action("to-right", 1)).waits_for_turn
    await plane.engine.enqueue(2, new_action("to-left", cache_key="l", policy=SERIAL))
    assert (await plane.action("to-left", 2)).phase is Phase.QUEUED


async def test_many_that_wait_are_served_in_several_looks(plane: ControlPlane) -> None:
    await plane.engine.create_run(new_run("parent"))
    names = [f"c{number}" for number in range(600)]
    await asyncio.gather(
        *(plane.engine.enqueue(1, new_action(name, cache_key="k", policy=SERIAL)) for name in names)
    )
    attempts = await claim_all(plane)
    (name,) = {name for _, name in attempts} - {"a0"}
    await plane.engine.apply(Succeeded(attempts[1, name], 5))
    first = await plane.engine.claim(Capacity(1000))
    assert first.next_due_at == plane.clock.now_us(), "there are more"
    second = await plane.engine.claim(Capacity(1000))
    assert second.next_due_at is None
    phases = [(await plane.action(name)).phase for name in names]
    assert set(phases) == {Phase.SUCCEEDED}


@pytest.mark.looptime
@pytest.mark.parametrize("end", ["fail", "abort", "lose"])
async def test_after_a_bad_end_the_next_one_executes(end: str) -> None:
    policy = Policy(cache_serialize=True, system_retries=0)
    async with ControlPlane(LoopClock(), slots=1).running() as plane:
        for number in range(3):
            await asked(plane, f"r{number}", policy=policy)
        await plane.settle()
        assert len(plane.executor.held) == 1
        match end:
            case "fail":
                await plane.executor.fail("a0", Failure("E", "no"))
            case "abort":
                await plane.engine.abort_run(1, "enough")
            case _:
                plane.executor.lose("a0")
        await plane.clock.sleep(20)
        (attempt,) = plane.executor.held
        assert attempt.run_id == 2
        await plane.executor.succeed("a0")
        await plane.settle()
        last = await plane.action("a0", 3)
        assert (last.cache_status, last.cache_source) == (CacheStatus.HIT, "r1/a0/1")


@pytest.mark.looptime
async def test_an_action_that_waits_holds_no_slot_and_needs_none_for_its_hit() -> None:
    async with ControlPlane(LoopClock(), slots=2).running() as plane:
        for number in range(3):
            await asked(plane, f"r{number}", policy=SERIAL)
        await plane.engine.create_run(new_run("other"))
        await plane.settle()
        assert {attempt.run_id for attempt in plane.executor.held} == {1, 4}
        await plane.executor.succeed("a0")
        await plane.engine.create_run(new_run("busy"))
        await plane.settle()
        assert (await plane.action("a0", 3)).cache_status is CacheStatus.HIT


@pytest.mark.looptime
async def test_a_queued_holder_that_is_aborted_lets_the_next_one_execute_at_once() -> None:
    async with ControlPlane(LoopClock(), slots=1).running() as plane:
        await plane.engine.create_run(new_run("busy"))
        await plane.settle()
        await asked(plane, "r1", policy=SERIAL)
        await plane.settle()
        assert (await plane.action("a0", 2)).phase is Phase.QUEUED
        await asked(plane, "r2", policy=SERIAL)
        await plane.engine.abort_run(2, "enough")
        await plane.settle()
        assert (await plane.action("a0", 3)).phase is Phase.QUEUED


@pytest.mark.looptime
async def test_a_restart_of_the_control_plane_loses_no_turn() -> None:
    clock, database = LoopClock(), Database.in_memory()
    first = ControlPlane(clock, database)
    async with first.working():
        for number in range(3):
            await asked(first, f"r{number}", policy=SERIAL)
        await first.settle()
    second = ControlPlane(clock, database)
    second.adopt(first.executor, restarted=True)
    await first.executor.succeed("a0")
    async with second.working():
        await second.settle()
        assert (await second.action("a0", 2)).cache_source == "r0/a0/1"
        assert (await second.action("a0", 3)).cache_source == "r0/a0/1"
    database.close()


# costs

USUAL = {
    "enqueue": 9,
    "enqueue cached": 10,
    "hit": 10,
    "claim": 12,
    "start": 6,
    "succeed": 7,
    "succeed cached": 9,
    "claim nothing": 5,
}
"""SQL statements per transition, BEGIN and COMMIT included: what turns and explanations need must not add to them."""


async def test_turns_and_explanations_cost_others_no_statement(plane: ControlPlane) -> None:
    said: list[str] = []
    plane.database._connection().set_trace_callback(said.append)
    await plane.engine.create_run(new_run())
    await claim_all(plane)
    counts: dict[str, int] = {}

    def count(what: str) -> None:
        counts[what] = len(said)
        said.clear()

    for name, key, kind in (("c", None, ""), ("d", "k", " cached")):
        said.clear()
        await plane.engine.enqueue(1, new_action(name, cache_key=key))
        count(f"enqueue{kind}")
        attempt = (await claim_all(plane))[1, name]
        count("claim")
        await plane.engine.apply(Started(attempt, "host", 1, 5))
        count("start")
        await plane.engine.apply(Succeeded(attempt, 9))
        count(f"succeed{kind}")
    await plane.engine.enqueue(1, new_action("h", cache_key="k"))
    count("hit")
    await claim_all(plane)
    count("claim nothing")
    assert counts == USUAL
