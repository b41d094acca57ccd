"""Databases that are damaged, of another release or of nobody: refused in one sentence, and left as they are."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.disks import small_disk
from tests.support import wait_until

from flyte_server.domain import errors
from flyte_server.domain.records import Project
from flyte_server.store.catalogue import projects
from flyte_server.store.database import Database
from flyte_server.store.file import backups, migrate

MIGRATIONS = Path(migrate.__file__).parent.parent / "migrations"
PAGE = 4096


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with some rows, closed cleanly."""
    made = tmp_path / "state.db"
    database = Database.open(made)
    for number in range(300):
        await database.write(projects.save, Project(f"p{number}", "x" * 100))
    database.close()
    return made


def contents(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def overwrite_page(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // PAGE):
            file.seek(page * PAGE)
            file.write(b"\xff" * 64)


def replace_by_text(path: Path) -> None:
    path.write_text("no database, but long enough to be looked at" * 100)


def replace_by_another(path: Path) -> None:
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "malformed"),
        (empty, "it is empty"),
        (overwrite_header, "file is not a database"),
        (overwrite_page, r"malformed|\*\*\*"),
        (replace_by_text, "file is not a database"),
        (replace_by_another, "another program"),
    ],
)
def test_a_bad_file_is_refused_and_left_as_it_is(
    path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(path)
    before = contents(path)
    refused = (
        rf"state\.db cannot be opened \(.*{said}.*nothing in it was changed.*\.recover.*FLYTE_HOME"
    )
    with pytest.raises(errors.StoreUnusable, match=f"(?s){refused}"):
        Database.open(path)
    assert contents(path) == before


def test_a_log_that_a_kill_has_left_is_not_touched_by_the_look(path: Path) -> None:
    log = path.with_name("state.db-wal")
    log.write_bytes(b"left by a kill" * 100)
    overwrite_page(path)
    before = contents(path)
    with pytest.raises(errors.StoreUnusable):
        Database.open(path)
    after = contents(path)
    after.pop("state.db-shm", None)  # memory that SQLite shares between processes
    before.pop("state.db-shm", None)
    assert after == before


async def test_the_refusal_names_the_copy_of_the_day_which_opens(path: Path) -> None:
    database = Database.open(path)
    copy = await database.back_up()
    database.close()
    assert copy == backups.daily_path(path)
    cut(path)
    with pytest.raises(errors.StoreUnusable, match=r"put its copy .*state\.db\.daily\.bak in its"):
        Database.open(path)
    copy.replace(path)
    database = Database.open(path)
    assert await database.read(projects.load, "p7") == Project("p7", "x" * 100)
    database.close()


async def test_a_database_whose_log_was_deleted_opens_with_what_was_checkpointed(
    tmp_path: Path,
) -> None:
    """Nobody can know that the log was there; what was merged into the database is whole."""
    made = tmp_path / "state.db"
    database = Database.open(made)
    await database.write(projects.save, Project("early", "x"))
    database.close()
    database = Database.open(made)
    await database.write(projects.save, Project("late", "x"))
    copied = tmp_path / "copy.db"
    copied.write_bytes(made.read_bytes())
    database.close()
    database = Database.open(copied)
    found = await database.read(projects.listing, projects.ProjectQuery())
    assert [project.id for project in found] == ["early"]
    database.close()


# other releases


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A database as the release before made it."""
    made = tmp_path / "state.db"
    folder = tmp_path / "older"
    folder.mkdir()
    for each in sorted(MIGRATIONS.glob("*.sql"))[:2]:
        (folder / each.name).write_text(each.read_text())
    connection = sqlite3.connect(made, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    migrate.apply(connection, folder)
    connection.execute("INSERT INTO projects VALUES ('mine', 'Mine', '', 0)")
    connection.close()
    return made


async def test_an_older_database_is_copied_before_it_is_changed(older: Path) -> None:
    database = Database.open(older)
    assert await database.read(projects.load, "mine") == Project("mine", "Mine")
    database.close()
    copy = sqlite3.connect(older.with_name("state.db.v2.bak"))
    assert migrate.current(copy) == 2
    assert copy.execute("SELECT id FROM projects").fetchall() == [("mine",)]
    copy.close()


def test_only_the_last_two_copies_are_kept(older: Path) -> None:
    for version in (0, 1):
        old = older.with_name(f"state.db.v{version}.bak")
        old.write_bytes(b"old")
        os.utime(old, (1000 + version, 1000 + version))
    Database.open(older).close()
    kept = sorted(each.name for each in older.parent.glob("*.bak"))
    assert kept == ["state.db.v1.bak", "state.db.v2.bak"]


def test_a_newer_database_is_refused_with_both_versions(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    known = migrate.current(connection)
    connection.execute("INSERT INTO schema_versions (version, name) VALUES (99, 'future')")
    connection.close()
    said = rf"schema version 99, this release knows {known}: install the newer release"
    with pytest.raises(errors.SchemaTooNew, match=said):
        Database.open(path)


_MIGRATE = """
import sys
from pathlib import Path
from flyte_server.store import database
from flyte_server.store.file import migrate
connection = database._connect(sys.argv[1])
migrate.apply(connection, Path(sys.argv[2]))
"""
_ENDLESS = """
CREATE TABLE half (x TEXT);
INSERT INTO half
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000)
SELECT printf('%0100d', x) FROM n;
"""


def test_a_migration_that_is_killed_leaves_the_old_version(older: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    for each in sorted(MIGRATIONS.glob("*.sql"))[:2]:
        (folder / each.name).write_text(each.read_text())
    (folder / "0003_endless.sql").write_text(_ENDLESS)
    process = subprocess.Popen([sys.executable, "-c", _MIGRATE, str(older), str(folder)])
    log = older.with_name("state.db-wal")
    try:
        wait_until(lambda: log.exists() and log.stat().st_size > 5_000_000, timeout_seconds=30)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    connection = sqlite3.connect(older)
    assert migrate.current(connection) == 2
    assert connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = 'half'"
    ).fetchone() == (0,)
    connection.close()
    Database.open(older).close()


# disks


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    with small_disk(tmp_path / "tiny", "2m") as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Take all the room that there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096) == 4096:
                continue
        except OSError:
            return filler
    return filler


async def test_a_full_disk_refuses_changes_answers_reads_and_recovers(tiny_disk: Path) -> None:
    database = Database.open(tiny_disk / "state.db")
    await database.write(projects.save, Project("before", "x"))
    filler = fill(tiny_disk)
    said = (
        r"the disk of .*state\.db is full \(0 B of 2\.1 MB free\): nothing was changed; make room"
    )
    with pytest.raises(errors.DiskFull, match=said):
        await database.write(projects.save, Project("large", "x" * 500_000))
    assert await database.read(projects.load, "large") is None
    assert await database.read(projects.load, "before") == Project("before", "x")
    filler.unlink()
    await database.write(projects.save, Project("after", "x"))
    database.close()
    database = Database.open(tiny_disk / "state.db")
    assert await database.read(projects.load, "after") == Project("after", "x")
    database.close()


def test_without_room_for_a_copy_nothing_is_migrated(tiny_disk: Path, older: Path) -> None:
    path = tiny_disk / "state.db"
    path.write_bytes(older.read_bytes())
    filler = fill(tiny_disk)
    os.truncate(filler, filler.stat().st_size - path.stat().st_size - 64 * 1024)
    before = path.read_bytes()
    with pytest.raises(
        errors.StoreUnusable, match=r"a copy of the database .* are free: make room"
    ):
        Database.open(path)
    assert path.read_bytes() == before
    (tiny_disk / "filler").unlink()
    Database.open(path).close()


def test_a_disk_that_cannot_be_written_is_named(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(errors.StoreUnusable, match=r"state\.db cannot be opened .*writable"):
        Database.open(tiny_disk / "state.db")
