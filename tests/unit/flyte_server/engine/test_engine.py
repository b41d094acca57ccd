"""The engine: what is taken in, what is refused, and what a commit promises."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.clock import RealClock
from flyte_server.domain import errors
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewTrace
from flyte_server.domain.events import Failed, Started, Succeeded
from flyte_server.domain.phases import CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, ActionKey, AttemptKey, Failure
from flyte_server.engine.bus import ABORTS, QUEUE, RUNS, Bus, run_topic
from flyte_server.engine.engine import Engine
from flyte_server.store import actions, runs
from flyte_server.store.database import Database

Plane = ControlPlane


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """Engine and store; nobody schedules."""
    made = ControlPlane(ManualClock())
    yield made
    await made.engine.close()
    made.database.close()


async def claim_all(plane: Plane) -> dict[str, AttemptKey]:
    claims = await plane.engine.claim(Capacity(1000))
    return {a.name: AttemptKey(a.run_id, a.name, a.attempt, a.token) for a in claims.actions}


async def run_with_children(plane: Plane, *names: str) -> dict[str, AttemptKey]:
    """A run whose root is alive, and children that are alive."""
    await plane.engine.create_run(new_run())
    attempts = await claim_all(plane)
    for name in names:
        await plane.engine.enqueue(1, new_action(name))
    return attempts | await claim_all(plane)


def trace(name: str, parent: str = "a0", **fields: object) -> NewTrace:
    made = NewTrace(name, parent, "helper", b"trace spec", Phase.SUCCEEDED, 10, 20)
    return replace(made, output_uri=f"/data/r/{name}/outputs.pb", **fields)


# taking runs in


async def test_a_new_run_waits_in_the_queue_with_its_spec_stored(plane: Plane) -> None:
    run, root = await plane.engine.create_run(new_run(labels_not_here := "r"))
    assert (run.name, run.id, run.seq) == (labels_not_here, 1, 1)
    assert (root.name, root.phase, root.seq, root.version) == ("a0", Phase.QUEUED, 1, 1)
    assert root.output_uri == "/data/r/a0/1"
    assert await plane.database.read(runs.load, "p", "development", "r") == run
    assert await plane.action("a0") == root


async def test_a_run_without_a_name_gets_one_and_its_paths_too(plane: Plane) -> None:
    command = new_run(None, output_base="/data/{run}", input_uri="/data/{run}/a0/inputs.pb")
    run, root = await plane.engine.create_run(command)
    assert run.name == "run-1"
    assert (root.output_base, root.input_uri) == ("/data/run-1", "/data/run-1/a0/inputs.pb")


async def test_a_taken_name_is_refused_in_its_project_only(plane: Plane) -> None:
    await plane.engine.create_run(new_run("r"))
    with pytest.raises(errors.AlreadyExists, match="run r exists already in p/development"):
        await plane.engine.create_run(new_run("r"))
    run, _ = await plane.engine.create_run(new_run("r", project="q"))
    assert run.id == 2


async def test_two_runs_of_one_name_at_the_same_moment(plane: Plane) -> None:
    results = await asyncio.gather(
        *(plane.engine.create_run(new_run("r")) for _ in range(5)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, errors.AlreadyExists)]
    assert len(refused) == 4


# taking actions in


async def test_enqueueing_again_is_no_second_action(plane: Plane) -> None:
    await run_with_children(plane)
    assert await plane.engine.enqueue(1, new_action("c")) is True
    before = await plane.action("c")
    assert await plane.engine.enqueue(1, new_action("c", task_name="other")) is False
    assert await plane.action("c") == before


async def test_many_at_once_in_one_batch_are_one_each(plane: Plane) -> None:
    await run_with_children(plane)
    taken = await asyncio.gather(
        *(plane.engine.enqueue(1, new_action(f"c{number % 50}")) for number in range(100))
    )
    assert sum(taken) == 50
    assert await plane.database.read(actions.phase_counts, 1, "a0") == {Phase.QUEUED: 50}


async def test_unknown_runs_and_parents_are_named(plane: Plane) -> None:
    await run_with_children(plane)
    with pytest.raises(errors.NotFound, match="no run with the id 9"):
        await plane.engine.enqueue(9, new_action("c"))
    with pytest.raises(errors.NotFound, match="run r has no action nobody"):
        await plane.engine.enqueue(1, new_action("c", "nobody"))


async def test_nothing_starts_under_a_parent_that_has_ended(plane: Plane) -> None:
    attempts = await run_with_children(plane, "c")
    await plane.engine.apply(Succeeded(attempts["c"], 5))
    with pytest.raises(errors.Aborted, match="c of run r has ended as succeeded"):
        await plane.engine.enqueue(1, new_action("g", "c"))


async def test_nothing_starts_in_a_run_that_has_ended(plane: Plane) -> None:
    attempts = await run_with_children(plane, "c")
    await plane.engine.apply(Failed(attempts["a0"], Failure("E", "no"), 5))
    with pytest.raises(errors.Aborted, match="a0 of run r has ended as failed"):
        await plane.engine.enqueue(1, new_action("g", "c"))


async def test_what_exists_is_confirmed_even_when_the_parent_has_ended(plane: Plane) -> None:
    attempts = await run_with_children(plane, "c")
    await plane.engine.apply(Succeeded(attempts["a0"], 5))
    assert await plane.engine.enqueue(1, new_action("c")) is False


# traces


async def test_a_trace_is_an_action_that_has_ended(plane: Plane) -> None:
    await run_with_children(plane)
    assert await plane.engine.record_trace(1, trace("t")) is True
    assert await plane.engine.record_trace(1, trace("t")) is False
    found = await plane.action("t")
    assert (found.kind, found.phase, found.attempt) == (Kind.TRACE, Phase.SUCCEEDED, 0)
    assert (found.started_at, found.ended_at) == (10, 20)
    assert found.output_uri == "/data/r/t/outputs.pb"


async def test_a_failed_trace_keeps_its_failure(plane: Plane) -> None:
    await run_with_children(plane)
    failure = Failure("ValueError", "no", recoverable=False)
    await plane.engine.record_trace(1, trace("t", phase=Phase.FAILED, failure=failure))
    assert (await plane.action("t")).failure == failure


async def test_a_recoverable_failure_of_a_trace_is_replaced_and_nothing_else(plane: Plane) -> None:
    await run_with_children(plane)
    failure = Failure("ValueError", "no")
    await plane.engine.record_trace(1, trace("t", phase=Phase.FAILED, failure=failure))
    assert await plane.engine.record_trace(1, trace("t", ended_at=99)) is True
    found = await plane.action("t")
    assert (found.phase, found.ended_at, found.failure) == (Phase.SUCCEEDED, 99, None)
    assert found.seq == 4, "watchers see it"
    assert await plane.engine.record_trace(1, trace("t", phase=Phase.FAILED)) is False
    assert (await plane.action("t")).phase is Phase.SUCCEEDED


async def test_a_trace_is_recorded_while_its_parent_is_aborted_but_not_after(plane: Plane) -> None:
    attempts = await run_with_children(plane)
    await plane.engine.abort_run(1, "enough")
    assert await plane.engine.record_trace(1, trace("t")) is True
    await plane.engine.apply(Succeeded(attempts["a0"], 5))
    with pytest.raises(errors.Aborted, match="its trace u is not recorded"):
        await plane.engine.record_trace(1, trace("u"))


# claiming and reporting


async def test_a_claimed_action_is_not_claimed_again(plane: Plane) -> None:
    await plane.engine.create_run(new_run())
    first, second = await asyncio.gather(
        plane.engine.claim(Capacity(5)), plane.engine.claim(Capacity(5))
    )
    assert [action.name for action in first.actions] == ["a0"]
    assert second.actions == []


async def test_attempts_are_written_with_what_was_reported(plane: Plane) -> None:
    attempts = await run_with_children(plane)
    now = plane.clock.now_us()
    await plane.engine.apply(Started(attempts["a0"], "host-1", 4711, now + 1))
    await plane.engine.apply(Failed(attempts["a0"], Failure("E", "no"), now + 9))
    (row,) = await plane.database.read(actions.attempts, 1, "a0")
    assert (row.worker, row.pid, row.phase) == ("host-1", 4711, Phase.FAILED)
    assert (row.claimed_at, row.started_at, row.ended_at) == (now, now + 1, now + 9)
    assert row.failure == Failure("E", "no")
    assert row.output_uri == "/data/r/a0/1"


async def test_a_report_about_nothing_is_no_error(plane: Plane) -> None:
    assert await plane.engine.apply(Succeeded(AttemptKey(7, "x", 1, "t"), 5)) is None


async def test_a_whole_life_in_one_batch(plane: Plane) -> None:
    attempts = await run_with_children(plane)
    key = attempts["a0"]
    results = await asyncio.gather(
        plane.engine.apply(Started(key, "h", 1, 5)),
        plane.engine.enqueue(1, new_action("c")),
        plane.engine.apply(Succeeded(key, 7)),
        plane.engine.enqueue(1, new_action("d")),
        return_exceptions=True,
    )
    assert results[1] is True
    assert isinstance(results[3], errors.Aborted)
    root = await plane.action("a0")
    assert (root.phase, root.started_at, root.ended_at) == (Phase.SUCCEEDED, 5, 7)


# one order for watchers


async def test_a_cursor_sees_every_change_once_and_in_order(plane: Plane) -> None:
    attempts = await run_with_children(plane, "c", "d")
    cursor = max(a.seq for a in await plane.database.read(actions.run_since, 1, 0))
    await asyncio.gather(
        plane.engine.apply(Succeeded(attempts["d"], 5)),
        plane.engine.apply(Succeeded(attempts["c"], 5)),
    )
    changed = await plane.database.read(actions.children_since, 1, "a0", cursor)
    assert [action.name for action in changed] == ["d", "c"]
    assert [action.seq for action in changed] == [cursor + 1, cursor + 2]
    assert await plane.database.read(actions.children_since, 1, "a0", cursor + 2) == []
    run = await plane.database.read(runs.by_id, 1)
    assert run is not None
    assert run.seq == cursor + 2


async def test_wakes_come_before_answers_and_only_where_something_changed(plane: Plane) -> None:
    attempts = await run_with_children(plane, "c")
    bus = plane.bus
    with (
        bus.subscribe(run_topic(1)) as run,
        bus.subscribe(RUNS) as listing,
        bus.subscribe(QUEUE) as queue,
        bus.subscribe(ABORTS) as aborts,
    ):
        await plane.engine.apply(Succeeded(attempts["c"], 5))
        assert (run.wakes, queue.wakes) == (1, 1)
        assert (listing.wakes, aborts.wakes) == (0, 0)
        await plane.engine.apply(Succeeded(attempts["c"], 6))
        assert (run.wakes, queue.wakes) == (1, 1), "a late report wakes nobody"
        await plane.engine.abort_run(1, "enough")
        assert (run.wakes, listing.wakes, aborts.wakes) == (2, 1, 1)


# cache


async def finish(plane: Plane, attempts: dict[str, AttemptKey], name: str) -> Action:
    done = await plane.engine.apply(Succeeded(attempts[name], 5))
    assert done is not None
    return done


async def test_a_second_call_takes_the_outputs_of_the_first(plane: Plane) -> None:
    await run_with_children(plane)
    await plane.engine.enqueue(1, new_action("c", cache_key="k"))
    assert (await plane.action("c")).cache_status is CacheStatus.MISS
    attempts = await claim_all(plane)
    assert (await finish(plane, attempts, "c")).cache_status is CacheStatus.POPULATED
    await plane.engine.enqueue(1, new_action("d", cache_key="k"))
    hit = await plane.action("d")
    assert (hit.phase, hit.cache_status, hit.attempt) == (Phase.SUCCEEDED, CacheStatus.HIT, 0)
    assert (hit.output_uri, hit.cache_source) == ("/data/r/c/1", "r/c/1")
    assert await claim_all(plane) == {}


async def test_a_root_can_come_from_the_cache(plane: Plane) -> None:
    await plane.engine.create_run(new_run("first", cache_key="k"))
    await finish(plane, await claim_all(plane), "a0")
    _, root = await plane.engine.create_run(new_run("second", cache_key="k"))
    assert (root.phase, root.cache_source) == (Phase.SUCCEEDED, "first/a0/1")


async def test_another_project_has_a_cache_of_its_own(plane: Plane) -> None:
    await plane.engine.create_run(new_run("first", cache_key="k"))
    await finish(plane, await claim_all(plane), "a0")
    _, root = await plane.engine.create_run(new_run("second", project="q", cache_key="k"))
    assert root.cache_status is CacheStatus.MISS


async def test_a_failure_is_not_cached(plane: Plane) -> None:
    await plane.engine.create_run(new_run("first", cache_key="k"))
    attempts = await claim_all(plane)
    await plane.engine.apply(Failed(attempts["a0"], Failure("E", "no"), 5))
    _, root = await plane.engine.create_run(new_run("second", cache_key="k"))
    assert root.cache_status is CacheStatus.MISS


async def test_the_first_entry_stays_and_an_overwrite_replaces_it(plane: Plane) -> None:
    await run_with_children(plane)
    for name in ("c", "d"):
        await plane.engine.enqueue(1, new_action(name, cache_key="k"))
    attempts = await claim_all(plane)
    await finish(plane, attempts, "d")
    await finish(plane, attempts, "c")
    await plane.engine.enqueue(1, new_action("e", cache_key="k", overwrite_cache=True))
    assert (await plane.action("e")).cache_status is CacheStatus.SKIPPED
    await plane.engine.enqueue(1, new_action("f", cache_key="k"))
    assert (await plane.action("f")).cache_source == "r/d/1"
    await finish(plane, await claim_all(plane), "e")
    await plane.engine.enqueue(1, new_action("g", cache_key="k"))
    assert (await plane.action("g")).cache_source == "r/e/1"


# aborting


async def test_after_the_answer_to_an_abort_nothing_of_the_tree_starts(plane: Plane) -> None:
    await run_with_children(plane, "c")
    await plane.engine.enqueue(1, new_action("g", "c"))
    await plane.engine.enqueue(1, new_action("other"))
    await plane.engine.abort_action(ActionKey(1, "c"), "enough")
    assert (await plane.action("g")).phase is Phase.ABORTED
    assert (await plane.action("c")).aborting == "enough"
    with pytest.raises(errors.Aborted, match="c of run r is being aborted"):
        await plane.engine.enqueue(1, new_action("h", "c"))
    assert list(await claim_all(plane)) == ["other"]


async def test_an_abort_in_the_batch_of_a_claim_and_an_enqueue(plane: Plane) -> None:
    await run_with_children(plane)
    results = await asyncio.gather(
        plane.engine.enqueue(1, new_action("c")),
        plane.engine.abort_run(1, "enough"),
        plane.engine.claim(Capacity(5)),
        plane.engine.enqueue(1, new_action("d")),
        return_exceptions=True,
    )
    assert results[2].actions == []  # type: ignore[union-attr]
    assert isinstance(results[3], errors.Aborted)
    assert (await plane.action("c")).phase is Phase.ABORTED


async def test_aborting_twice_and_too_late_is_no_error(plane: Plane) -> None:
    attempts = await run_with_children(plane)
    await plane.engine.abort_run(1, "enough")
    await plane.engine.abort_run(1, "again")
    assert (await plane.action("a0")).aborting == "enough"
    await plane.engine.apply(Succeeded(attempts["a0"], 5))
    await plane.engine.abort_run(1, "too late")
    done = await plane.action("a0")
    assert done.failure is not None
    assert done.failure.message == "enough"


async def test_aborting_what_does_not_exist_is_refused(plane: Plane) -> None:
    with pytest.raises(errors.NotFound):
        await plane.engine.abort_run(9, "enough")


async def test_abort_children_spares_the_parent(plane: Plane) -> None:
    await run_with_children(plane, "c")
    await plane.engine.abort_children(ActionKey(1, "a0"), "parent ended")
    assert (await plane.action("a0")).aborting is None
    assert (await plane.action("c")).aborting == "parent ended"


# trouble


async def test_one_poisonous_item_does_not_fail_its_batch(plane: Plane) -> None:
    await run_with_children(plane)
    poison = new_action("bad", task_name="\ud800")  # cannot be encoded, so SQLite refuses it
    results = await asyncio.gather(
        plane.engine.enqueue(1, new_action("c")),
        plane.engine.enqueue(1, poison),
        plane.engine.enqueue(1, new_action("d")),
        return_exceptions=True,
    )
    assert results[0] is True
    assert isinstance(results[1], UnicodeEncodeError)
    assert results[2] is True
    assert await plane.database.read(actions.phase_counts, 1, "a0") == {Phase.QUEUED: 2}


async def test_a_row_that_changed_behind_the_engine_is_an_error_and_nothing_is_saved(
    plane: Plane,
) -> None:
    attempts = await run_with_children(plane)

    def interfere(connection: object) -> None:
        connection.execute(  # type: ignore[attr-defined]
            "CREATE TEMP TRIGGER meddle BEFORE UPDATE ON runs BEGIN"
            " UPDATE actions SET version = version + 1; END"
        )

    await plane.database.write(interfere)
    with pytest.raises(errors.StaleWrite, match="another process writes to this database"):
        await plane.engine.apply(Succeeded(attempts["a0"], 5))
    assert (await plane.action("a0")).phase is Phase.INITIALIZING


async def test_a_closed_engine_has_finished_and_refuses(plane: Plane) -> None:
    accepted = asyncio.create_task(plane.engine.create_run(new_run()))
    await asyncio.sleep(0)
    await plane.engine.close()
    run, _ = await accepted
    assert run.id == 1
    with pytest.raises(errors.Unavailable, match="ask again"):
        await plane.engine.create_run(new_run("other"))


async def test_a_caller_that_gives_up_does_not_undo_what_it_asked_for(plane: Plane) -> None:
    asked = asyncio.create_task(plane.engine.create_run(new_run()))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await plane.engine.close()
    assert (await plane.action("a0")).phase is Phase.QUEUED


async def test_what_was_answered_is_there_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first = Database.open(path)
    engine = Engine(first, Bus(), RealClock())
    await engine.create_run(new_run())
    await engine.claim(Capacity(1))
    await engine.enqueue(1, new_action("c", cache_key="k"))
    before = await first.read(actions.run_since, 1, 0)
    second = Database.open(path)  # nothing was closed: as after kill -9
    assert await second.read(actions.run_since, 1, 0) == before
    for database in (first, second):
        database.close()


async def test_a_trace_that_failed_and_may_be_tried_again_is_replaced_by_its_next_try(
    plane: Plane,
) -> None:
    await run_with_children(plane)
    failure = Failure("ValueError", "no luck")
    await plane.engine.record_trace(1, trace("t", phase=Phase.FAILED, failure=failure))

    assert await plane.engine.record_trace(1, trace("t")) is True

    mended = await plane.action("t")
    assert (mended.phase, mended.failure, mended.version) == (Phase.SUCCEEDED, None, 2)
    assert await plane.engine.record_trace(1, trace("t")) is False, "success is final"


async def test_a_trace_that_failed_for_good_stays(plane: Plane) -> None:
    await run_with_children(plane)
    failure = Failure("ValueError", "never", recoverable=False)
    await plane.engine.record_trace(1, trace("t", phase=Phase.FAILED, failure=failure))
    assert await plane.engine.record_trace(1, trace("t")) is False
    assert (await plane.action("t")).phase is Phase.FAILED


# what a power cut must not take back


class CountingDatabase(Database):
    """Counts how often its disk was waited for."""

    syncs = 0
    broken = False

    async def sync(self) -> None:
        self.syncs += 1
        if self.broken:
            raise OSError(28, "No space left on device")
        await super().sync()


async def test_only_what_others_were_told_waits_for_the_disk(tmp_path: Path) -> None:
    database = CountingDatabase.open(tmp_path / "state.db")
    assert isinstance(database, CountingDatabase)
    engine = Engine(database, Bus(), RealClock())
    run, _ = await engine.create_run(new_run())
    assert database.syncs == 1, "an accepted run"
    [root] = (await engine.claim(Capacity(10))).actions
    await engine.enqueue(run.id, new_action("child"))
    assert database.syncs == 1, "progress is only done again"
    key = AttemptKey(run.id, root.name, root.attempt, root.token)
    await engine.apply(Succeeded(key, 5))
    assert database.syncs == 2, "the end of a run"
    await engine.close()
    database.close()


async def test_a_run_that_did_not_reach_the_disk_is_not_called_accepted(tmp_path: Path) -> None:
    database = CountingDatabase.open(tmp_path / "state.db")
    assert isinstance(database, CountingDatabase)
    database.broken = True
    engine = Engine(database, Bus(), RealClock())
    with pytest.raises(errors.Unavailable, match="disk refused"):
        await engine.create_run(new_run())
    await engine.close()
    database.close()
