"""Limits of runs, environments and queues: who starts, who waits, and that nothing leaks a place."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain import errors
from flyte_server.domain.admission.lanes import Gate
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.events import Lost, Started, Succeeded
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import AttemptKey, Policy
from flyte_server.engine.admission import waiting
from flyte_server.store import queries
from flyte_server.store.file import migrate

GPU = Gate("environment", "gpu")
BIG = Gate("queue", "big")
DEPTH = 50


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    made = ControlPlane(ManualClock())
    yield made
    made.database.close()


async def begin(plane: ControlPlane, name: str = "r", *, most: int = 0, slots: int = 100) -> int:
    """A run whose root has started; gives its number."""
    command = replace(new_run(name), max_concurrency=most)
    run, _ = await plane.engine.create_run(command)
    for attempt in await claimed(plane, slots):
        await plane.engine.apply(Started(attempt, "host", 1, plane.clock.now_us()))
    return run.id


async def claimed(plane: ControlPlane, slots: int = 100) -> list[AttemptKey]:
    claims = await plane.engine.claim(Capacity(slots))
    return [AttemptKey(a.run_id, a.name, a.attempt, a.token) for a in claims.actions]


async def names(plane: ControlPlane, slots: int = 100) -> list[str]:
    return [attempt.action for attempt in await claimed(plane, slots)]


# what starts


async def test_a_run_has_at_most_as_many_alive_as_it_says(plane: ControlPlane) -> None:
    run = await begin(plane, most=2)
    for number in range(5):
        await plane.engine.enqueue(run, new_action(f"c{number}"))
    first = await claimed(plane)
    assert [attempt.action for attempt in first] == ["c0", "c1"]
    assert await names(plane) == []
    await plane.engine.apply(Succeeded(first[0], 1))
    assert await names(plane) == ["c2"]


async def test_an_environment_and_a_queue_count_across_runs(plane: ControlPlane) -> None:
    await plane.engine.set_limit(GPU, 1)
    await plane.engine.set_limit(BIG, 2)
    one, two = await begin(plane, "r1"), await begin(plane, "r2")
    await plane.engine.enqueue(one, new_action("g1", environment="gpu", queue="big"))
    await plane.engine.enqueue(two, new_action("g2", environment="gpu", queue="big"))
    await plane.engine.enqueue(two, new_action("b1", queue="big"))
    await plane.engine.enqueue(two, new_action("b2", queue="big"))
    await plane.engine.enqueue(two, new_action("free"))
    started = await claimed(plane)
    assert [attempt.action for attempt in started] == ["g1", "b1", "free"]
    await plane.engine.apply(Succeeded(started[1], 1))
    assert await names(plane) == ["b2"], "g2 may use the queue, but not the environment"
    await plane.engine.apply(Succeeded(started[0], 1))
    assert await names(plane) == ["g2"]


async def test_a_place_of_whoever_is_lost_is_free_again(plane: ControlPlane) -> None:
    run = await begin(plane, most=1)
    await plane.engine.enqueue(run, new_action("dies"))
    await plane.engine.enqueue(run, new_action("next"))
    (attempt,) = await claimed(plane)
    await plane.engine.apply(Lost(attempt, "killed", 1))
    assert await names(plane) == ["next"], "nothing was counted down, the row says it is not alive"


@pytest.mark.parametrize("kind", ["slots", "run", "environment", "queue"])
async def test_parents_that_wait_give_their_places_back(plane: ControlPlane, kind: str) -> None:
    slots = 1 if kind == "slots" else 100
    if kind in ("environment", "queue"):
        await plane.engine.set_limit(Gate(kind, "deep"), 1)
    fields = {"environment": "deep", "queue": "deep"}
    command = new_run(**fields)
    await plane.engine.create_run(replace(command, max_concurrency=int(kind == "run")))
    running: list[AttemptKey] = []
    for level in range(DEPTH):
        (attempt,) = await claimed(plane, slots)
        await plane.engine.apply(Started(attempt, "host", 1, 1))
        running.append(attempt)
        if level < DEPTH - 1:
            await plane.engine.enqueue(1, new_action(f"c{level}", attempt.action, **fields))
    assert len(running) == DEPTH
    for attempt in reversed(running):
        await plane.engine.apply(Succeeded(attempt, 2))
    assert (await plane.action("a0")).phase is Phase.SUCCEEDED


async def test_the_root_of_a_limited_run_starts_again_beside_its_children(
    plane: ControlPlane,
) -> None:
    run = await begin(plane, most=1)
    await plane.engine.enqueue(run, new_action("c"))
    await claimed(plane)
    root = await plane.action("a0")
    await plane.engine.apply(Lost(AttemptKey(run, "a0", 1, root.token), "killed", 1))
    plane.clock.advance(60)  # type: ignore[attr-defined]
    assert await names(plane) == ["a0"], "it only waits for its child, and counts for nothing"


async def test_a_limit_may_come_and_go_while_actions_wait(plane: ControlPlane) -> None:
    run = await begin(plane, slots=1)
    for number in range(4):
        await plane.engine.enqueue(run, new_action(f"c{number}", environment="gpu"))
    await plane.engine.set_limit(GPU, 1)
    assert await names(plane) == ["c0"]
    await plane.engine.set_limit(GPU, 2)
    assert await names(plane) == ["c1"]
    await plane.engine.delete_limit(GPU)
    assert await names(plane) == ["c2", "c3"]


async def test_limits_that_make_no_sense_are_refused(plane: ControlPlane) -> None:
    for gate, most in ((Gate("run", "1"), 1), (Gate("queue", ""), 1), (GPU, 0)):
        with pytest.raises(errors.Invalid, match="environment or a queue"):
            await plane.engine.set_limit(gate, most)
    with pytest.raises(errors.NotFound, match="has no limit"):
        await plane.engine.delete_limit(GPU)


# costs


async def test_thousands_that_wait_behind_a_limit_cost_others_nothing(plane: ControlPlane) -> None:
    limited = await begin(plane, "limited", most=1)
    many = (new_action(f"m{number}") for number in range(2000))
    await asyncio.gather(*(plane.engine.enqueue(limited, command) for command in many))
    other = await begin(plane, "other")
    await plane.engine.enqueue(other, new_action("c"))
    steps: list[int] = []
    plane.database._connection().set_progress_handler(lambda: steps.append(1), 10)
    assert await names(plane) == ["c"]
    plane.database._connection().set_progress_handler(None, 0)
    assert len(steps) < 200, "a look at each of the two thousand takes ten steps of SQLite or more"


@pytest.mark.parametrize("name", ["due", "next_due_at", "lanes", "lines", "ahead"])
def test_the_queue_is_read_by_its_index(name: str) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate.apply(connection)
    sql: Any = getattr(queries.load("actions"), name).sql
    values = dict.fromkeys(("lane", "line", "now", "limit", "offset", "due_at", "seq"), 1)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    touched = [step for step in plan if " actions" in step or " a " in step]
    assert touched, plan
    assert all("actions_queued (lane" in step or "actions_queued" in step for step in touched), plan


# why one waits


async def why(plane: ControlPlane, name: str, run: int = 1, slots: int = 100) -> waiting.Wait:
    action = await plane.action(name, run)
    found = await plane.database.read(waiting.why, action, Capacity(slots), plane.clock.now_us())
    assert found is not None
    return found


async def test_who_waits_is_told_for_what_and_for_whom(plane: ControlPlane) -> None:
    run = await begin(plane, most=1)
    for name in ("c0", "c1", "c2"):
        plane.clock.advance(1)  # type: ignore[attr-defined]
        await plane.engine.enqueue(run, new_action(name))
    assert (await why(plane, "c0")).reason == waiting.LINE
    await claimed(plane)
    told = await why(plane, "c2")
    assert (told.reason, told.ahead) == (waiting.LIMIT, 1)
    assert told.since == plane.clock.now_us()
    (full,) = told.full
    assert (full.gate, full.most) == (Gate("run", str(run)), 1)
    assert [(each.run, each.action) for each in full.holders] == [("r", "c0")]
    machine = (await why(plane, "c2", slots=1)).full[-1]
    assert machine.gate == Gate(waiting.MACHINE, "slots")
    assert [each.action for each in machine.holders] == ["c0"]
    assert machine.said == "slots of the machine: all 1 taken"


async def test_who_failed_is_told_when_it_goes_on(plane: ControlPlane) -> None:
    await plane.engine.create_run(new_run())
    (attempt,) = await claimed(plane)
    assert (
        await plane.database.read(waiting.why, await plane.action("a0"), Capacity(1), 0) is None
    ), "it does not wait"
    await plane.engine.apply(Lost(attempt, "killed", 1))
    told = await why(plane, "a0")
    assert (told.reason, told.until) == (waiting.BACKOFF, plane.clock.now_us() + 1_000_000)


async def test_who_waits_for_an_equal_one_is_told_which(plane: ControlPlane) -> None:
    run = await begin(plane)
    policy = Policy(cache_serialize=True)
    for name in ("first", "second"):
        await plane.engine.enqueue(run, new_action(name, cache_key="k", policy=policy))
    assert await names(plane) == ["first"]
    told = await why(plane, "second")
    assert told.reason == waiting.EQUAL
    assert told.equal is not None
    assert told.equal.action == "first"
