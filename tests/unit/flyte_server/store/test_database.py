"""The database: one transaction per call, one writer, many readers, clear refusals."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from flyte_server.domain import errors
from flyte_server.domain.records import Project
from flyte_server.store.catalogue import projects
from flyte_server.store.database import Database

Opener = Callable[[], Database]


@pytest.fixture(params=["file", "memory"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Both ways to have a database; they must not differ."""
    if request.param == "file":
        return lambda: Database.open(tmp_path / "new" / "state.db")
    return Database.in_memory


def fail_after_saving(connection: sqlite3.Connection) -> None:
    projects.save(connection, Project("half", "half"))
    raise ValueError("no")


async def test_a_write_that_raises_leaves_nothing(opener: Opener) -> None:
    database = opener()
    with pytest.raises(ValueError, match="no"):
        await database.write(fail_after_saving)
    await database.write(projects.save, Project("whole", "whole"))
    found = await database.read(projects.listing, projects.ProjectQuery())
    assert [project.id for project in found] == ["whole"]
    database.close()


async def test_writes_at_the_same_time_are_all_done(opener: Opener) -> None:
    database = opener()
    await asyncio.gather(
        *(database.write(projects.save, Project(f"p{n:02}", "x")) for n in range(50))
    )
    found = await database.read(projects.listing, projects.ProjectQuery())
    assert len(found) == 50
    database.close()


async def test_foreign_keys_are_kept(opener: Opener) -> None:
    database = opener()

    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO tasks VALUES ('p','d','n','v','no such spec','','',0,'',0,'')"
        )

    with pytest.raises(sqlite3.IntegrityError):
        await database.write(orphan)
    database.close()


async def test_a_closed_database_says_so(opener: Opener) -> None:
    database = opener()
    database.close()
    with pytest.raises(errors.Unavailable, match="is closed"):
        await database.read(projects.load, "x")


async def test_readers_see_one_snapshot_and_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "state.db")
    await database.write(projects.save, Project("a", "before"))

    def write_and_read_beside(connection: sqlite3.Connection) -> str:
        projects.save(connection, Project("a", "after"))
        reading = asyncio.run_coroutine_threadsafe(database.read(projects.load, "a"), loop)
        seen = reading.result(timeout=10)
        assert seen is not None
        return seen.name

    loop = asyncio.get_running_loop()
    assert await database.write(write_and_read_beside) == "before"
    after = await database.read(projects.load, "a")
    assert after is not None
    assert after.name == "after"
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(errors.StoreUnusable, match=r"state\.db cannot be opened .*FLYTE_HOME"):
        Database.open(path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StoreUnusable, match="make the directory writable"):
        Database.open(tmp_path / "file" / "state.db")


async def test_commits_outlive_processes_and_sync_makes_them_outlive_the_machine(
    tmp_path: Path,
) -> None:
    database = Database.open(tmp_path / "state.db")

    def settings(connection: sqlite3.Connection) -> tuple[object, ...]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)

    normal = 1
    assert await database.read(settings) == ("wal", normal, 1)
    await database.sync()
    assert (tmp_path / "state.db-wal").exists()
    database.close()
