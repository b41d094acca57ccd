"""Commits: no answer before them, a store that fails, two control planes on one store, and how they are measured."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import new_action, new_run

from flyte_server.domain import errors
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.events import Started, Succeeded
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import ActionKey, AttemptKey
from flyte_server.engine.bus import QUEUE, RUNS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.pulse import Pulse, Series
from flyte_server.store import actions
from flyte_server.store.database import Database


class Trying(Database):
    """A database that does what a test says before each transaction, after each one, and before each sync."""

    before: Callable[[], None] = staticmethod(lambda: None)
    syncing: Callable[[], None] = staticmethod(lambda: None)

    async def write(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.before()
        return await super().write(function, *args, **kwargs)

    async def sync(self) -> None:
        self.syncing()
        await super().sync()


@pytest.fixture
def database() -> Iterator[Trying]:
    made = Trying.in_memory()
    assert isinstance(made, Trying)
    yield made
    made.close()


def make_engine(database: Database, bus: Bus | None = None) -> Engine:
    return Engine(database, bus or Bus(), ManualClock())


def once(error: Exception, times: int = 1) -> Callable[[], None]:
    left = [error] * times

    def fail() -> None:
        if left:
            raise left.pop()

    return fail


# a store that fails


async def test_a_locked_store_answers_everybody_at_once_and_changes_nothing(
    database: Trying,
) -> None:
    engine = make_engine(database)
    database.before = once(sqlite3.OperationalError("database is locked"))
    answers = await asyncio.gather(
        *(engine.create_run(new_run(f"r{number}")) for number in range(20)), return_exceptions=True
    )
    assert all(type(answer) is errors.StoreFailing for answer in answers)
    assert "ask again" in str(answers[0])
    assert dict(engine.pulse.errors) == {"locked": 1}, "one transaction was tried, not twenty"
    run, root = await engine.create_run(new_run("r0"))
    assert (run.id, root.phase) == (1, Phase.QUEUED), "nothing of them was kept"


async def test_a_lock_of_another_process_is_told_as_one(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "state.db")
    engine = make_engine(database)
    await engine.create_run(new_run("r1"))
    await database.write(_do_not_wait)
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.Unavailable, match="database is locked"):
            await engine.create_run(new_run("r2"))
        other.execute("ROLLBACK")
    other.close()
    run, _ = await engine.create_run(new_run("r2"))
    assert run.id == 2
    await engine.close()
    database.close()


def _do_not_wait(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 0").fetchone()


async def test_a_bug_of_one_caller_is_not_the_others(database: Trying) -> None:
    engine = make_engine(database)
    bad = new_run("bad", task_name={"no": "text"})
    answers = await asyncio.gather(
        engine.create_run(new_run("r1")),
        engine.create_run(bad),
        engine.create_run(new_run("r2")),
        return_exceptions=True,
    )
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]


# no answer and no word before the commit


async def test_nobody_is_told_before_the_disk_has_what_must_last(database: Trying) -> None:
    bus = Bus()
    engine = make_engine(database, bus)
    seen: dict[str, bool] = {}
    with bus.subscribe(RUNS) as outside, bus.subscribe(QUEUE) as inside:

        def look() -> None:
            seen.update(outside=outside.wakes > 0, inside=inside.wakes > 0)

        database.syncing = look
        await engine.create_run(new_run())
        assert seen == {"outside": False, "inside": True}
        assert outside.wakes == 1


async def test_a_disk_that_keeps_nothing_is_no_acceptance(database: Trying) -> None:
    engine = make_engine(database)
    database.syncing = once(OSError(5, "I/O error"))
    with pytest.raises(errors.Unavailable, match="refused to keep"):
        await engine.create_run(new_run("r1"))
    assert engine.pulse.errors["sync"] == 1
    await engine.create_run(new_run("r2"))


# two control planes on one store


async def test_a_unit_that_met_changed_rows_is_begun_again(database: Trying) -> None:
    engine = make_engine(database)
    database.before = once(errors.StaleWrite("changed"), times=3)
    run, _ = await engine.create_run(new_run())
    assert (run.id, engine.pulse.errors["stale"]) == (1, 3)
    database.before = once(errors.StaleWrite("changed"), times=100)
    with pytest.raises(errors.StaleWrite):
        await engine.create_run(new_run("r2"))


async def test_a_stale_row_in_the_middle_of_a_unit_voids_all_of_it(database: Trying) -> None:
    """An abort writes what others changed before it reads the tree: a stale row there is no refusal of the abort."""
    engine = make_engine(database)
    await engine.create_run(new_run())
    (attempt,) = await claimed(engine)
    await database.write(_meddle)
    answers = await asyncio.gather(
        engine.apply(Started(attempt, "host", 1, 1)),
        engine.abort_action(ActionKey(1, "a0"), "enough"),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [errors.StaleWrite, errors.StaleWrite]
    action = await database.read(actions.load, 1, "a0")
    assert action is not None
    assert (action.phase, action.aborting) == (Phase.INITIALIZING, None)


def _meddle(connection: sqlite3.Connection) -> None:
    """The first change of an action in a transaction meets another version than it was made from."""
    connection.execute("CREATE TABLE meddling AS SELECT 1")
    connection.execute(
        "CREATE TRIGGER meddle BEFORE UPDATE ON actions WHEN EXISTS (SELECT 1 FROM meddling) BEGIN"
        " DELETE FROM meddling; SELECT RAISE(IGNORE); END"
    )


async def test_two_engines_move_the_same_actions_on_one_file(tmp_path: Path) -> None:
    databases = [Database.open(tmp_path / "state.db") for _ in range(2)]
    engines = [make_engine(database) for database in databases]
    run, _ = await engines[0].create_run(new_run())
    for attempt in await claimed(engines[1]):
        await engines[0].apply(Started(attempt, "host", 1, 1))
    await asyncio.gather(*(engines[n % 2].enqueue(run.id, new_action(f"c{n}")) for n in range(40)))
    both = [attempt for each in await asyncio.gather(*map(claimed, engines)) for attempt in each]
    assert len({attempt.action for attempt in both}) == len(both) == 40, "none is claimed twice"
    reports = [(engine, attempt) for attempt in both for engine in engines]
    await asyncio.gather(*(engine.apply(Succeeded(attempt, 2)) for engine, attempt in reports))
    counts = await databases[0].read(actions.phase_counts, run.id)
    assert counts == {Phase.RUNNING: 1, Phase.SUCCEEDED: 40}
    for engine, database in zip(engines, databases, strict=True):
        assert engine.pulse.errors == {}
        await engine.close()
        database.close()


async def claimed(engine: Engine) -> list[AttemptKey]:
    claims = await engine.claim(Capacity(1000))
    return [AttemptKey(a.run_id, a.name, a.attempt, a.token) for a in claims.actions]


# rows that are not there


async def test_a_report_about_an_attempt_without_a_row_is_an_error(database: Trying) -> None:
    engine = make_engine(database)
    await engine.create_run(new_run())
    (attempt,) = await claimed(engine)
    await database.write(lambda connection: connection.execute("DELETE FROM attempts"))
    with pytest.raises(errors.StaleWrite, match=r"a0/1.* are gone"):
        await engine.apply(Succeeded(attempt, 1))
    action = await database.read(actions.load, 1, "a0")
    assert action is not None
    assert action.phase is Phase.INITIALIZING, "no success that nobody wrote down"


async def test_a_report_with_another_token_changes_no_attempt(database: Trying) -> None:
    engine = make_engine(database)
    await engine.create_run(new_run())
    await claimed(engine)
    (attempt,) = await database.read(actions.attempts, 1, "a0")
    late = replace(attempt, token="another", phase=Phase.SUCCEEDED)
    with pytest.raises(errors.StaleWrite, match="have other tokens"):
        await database.write(actions.save_attempts, [late])
    assert await database.read(actions.attempts, 1, "a0") == [attempt]


# measuring


async def test_commits_and_answers_are_measured(database: Trying) -> None:
    engine = make_engine(database)
    await asyncio.gather(*(engine.create_run(new_run(f"r{n}")) for n in range(5)))
    assert engine.pulse.commits.summary().count == 1, "five callers shared a transaction"
    assert engine.pulse.answers.summary().count == 5


def test_a_series_tells_its_last_durations() -> None:
    series = Series(kept=4_096)
    assert series.summary().longest == 0
    for number in range(10_000):
        series.add(number)
    told = series.summary()
    assert (told.count, told.longest) == (10_000, 9_999)
    assert 7_940 < told.p50 < 7_960
    assert told.p99 > 9_950
    assert not Pulse().errors
