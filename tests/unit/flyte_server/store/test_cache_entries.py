"""The cache's rows: an older database keeps its entries, and what is asked often is asked through an index."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyte_server.domain.records import CacheEntry, Run
from flyte_server.store import actions, cache, queries, runs
from flyte_server.store.file import migrate

MIGRATIONS = Path(migrate.__file__).parent.parent / "migrations"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    yield made
    made.close()


def a_run(connection: sqlite3.Connection, name: str = "r", project: str = "p") -> Run:
    run = Run(0, project, "d", name, b"", {}, 0, 5, 0)
    run_id = runs.insert(connection, run)
    found = runs.by_id(connection, run_id)
    assert found is not None
    return found


def test_a_database_of_the_first_release_keeps_its_actions_and_entries(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    shutil.copy(MIGRATIONS / "0001_first_flight.sql", tmp_path)
    migrate.apply(connection, tmp_path)
    connection.execute("INSERT INTO runs VALUES (1, 'p', 'd', 'r', x'', '{}', 0, 5, 0)")
    connection.execute("INSERT INTO cache VALUES ('p', 'd', 'k', 'r0/a0/1', '/data/r0/a0/1', 7)")
    connection.execute(
        "INSERT INTO actions VALUES (1, 'a0', NULL, 'task', 'queued', 'e.f', 5, ?, '', '', '', '', NULL,"
        " '', '', '', 'k', 'miss', NULL, 0, '', 0, 0, 5, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1)",
        (json.dumps({"retries": 2}),),
    )
    migrate.apply(connection)
    run = runs.load(connection, "p", "d", "r")
    assert run is not None
    assert (run.max_concurrency, run.recovery) == (0, None)
    assert cache.load(connection, run, "k") == cache.Found("r0/a0/1", "/data/r0/a0/1", 7)
    action = actions.load(connection, run.id, "a0")
    assert action is not None
    assert (action.serial_key, action.policy.retries, action.policy.output_count) == (None, 2, None)


def test_the_last_entries_of_a_task_are_found(connection: sqlite3.Connection) -> None:
    migrate.apply(connection)
    run, other = a_run(connection), a_run(connection, "q", "other")
    for at in range(5):
        cache.save(connection, run, entry(f"k{at}", at, "e.f"))
    cache.save(connection, run, entry("x", 3, "e.g"))
    cache.save(connection, other, entry("y", 3, "e.f"))
    found = cache.of_task(connection, run, "e.f", until=3, limit=2)
    assert [each.created_at for each in found] == [3, 2]


def entry(key: str, at: int, task: str) -> CacheEntry:
    return CacheEntry(key, 1, f"a{at}", 1, "/out", at, task_name=task)


@pytest.mark.parametrize(
    ("statements", "name", "index"),
    [
        ("actions", "anybody_waits_for_turn", "actions_waiting"),
        ("actions", "free_to_turn", "actions_waiting"),
        ("actions", "free_to_turn", "actions_serial"),
        ("actions", "executes", "actions_serial"),
        ("actions", "waits_for", "actions_serial"),
        ("actions", "waits_for", "actions_open"),
        ("cache", "load_anywhere", "cache_by_key"),
        ("cache", "of_task", "cache_by_task"),
    ],
)
def test_an_index_answers(
    connection: sqlite3.Connection, statements: str, name: str, index: str
) -> None:
    migrate.apply(connection)
    sql: Any = getattr(queries.load(statements), name).sql
    names = ("limit", "serial_key", "run_id", "name", "project", "domain", "key", "task_name")
    values = dict.fromkeys((*names, "until", "not_before"), 1)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any(index in step for step in plan), plan
    walked = [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]
    assert not [step for step in walked if step.split()[1] in ("actions", "cache", "a", "h")], plan
