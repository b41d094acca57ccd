"""Migrations."""

import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from flyte_server.domain import errors
from flyte_server.domain.records import Action, Attempt, Project, Run, TaskVersion
from flyte_server.store import rows
from flyte_server.store.file import migrate


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    yield made
    made.close()


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize(
    ("table", "record"),
    [
        ("runs", Run),
        ("actions", Action),
        ("attempts", Attempt),
        ("tasks", TaskVersion),
        ("projects", Project),
    ],
)
def test_columns_stand_in_the_order_of_the_records_fields(
    connection: sqlite3.Connection, table: str, record: type
) -> None:
    migrate.apply(connection)
    names = [{"group_name": "group"}.get(name, name) for name in columns(connection, table)]
    assert names == [field.name for field in fields(record)]


def test_a_joined_row_is_cut_behind_the_run(connection: sqlite3.Connection) -> None:
    migrate.apply(connection)
    assert len(columns(connection, "runs")) == rows.RUN_COLUMNS


def test_migrating_again_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate.apply(connection)
    version = migrate.current(connection)
    migrate.apply(connection)
    assert migrate.current(connection) == version >= 1


def test_a_newer_schema_is_refused_and_left_alone(connection: sqlite3.Connection) -> None:
    migrate.apply(connection)
    connection.execute("INSERT INTO schema_versions (version, name) VALUES (99, 'future')")
    with pytest.raises(errors.SchemaTooNew, match=r"schema version 99.*install the newer release"):
        migrate.apply(connection)
    assert not connection.in_transaction


def test_a_migration_that_fails_is_undone_as_a_whole(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (x);")
    migrate.apply(connection, tmp_path)
    (tmp_path / "0002_bad.sql").write_text(
        "CREATE TABLE half (x);\nINSERT INTO nowhere VALUES (1);"
    )
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate.apply(connection, tmp_path)
    assert migrate.current(connection) == 1
    assert columns(connection, "half") == []
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (x);")
    migrate.apply(connection, tmp_path)
    assert migrate.current(connection) == 2
