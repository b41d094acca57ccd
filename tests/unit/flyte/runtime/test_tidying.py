"""Local runs and their cache stay bounded: what is old goes once an hour, what is used stays."""

import os
from pathlib import Path

import pytest

import flyte
from flyte._runtime.caching import shelf
from flyte._runtime.inprocess import tidying
from flyte.io import File

DAY = 24 * 3600.0
env = flyte.TaskEnvironment(name="tidied")


def _written(text: str) -> Path:
    path = Path("content.txt")
    path.write_text(text)
    return path


@env.task(cache="auto")
async def written(text: str) -> File:
    return await File.from_local(_written(text))


@env.task
async def kept_file(text: str) -> str:
    file = await written(text)
    async with file.open("rb") as stream:
        return (await stream.read()).decode()


def age(path: Path, days: float) -> None:
    """Make a file, or everything below a directory, look as if it had been used that long ago."""
    for each in [path, *path.rglob("*")]:
        at = each.stat().st_mtime - days * DAY
        os.utime(each, (at, at))


@pytest.fixture
def home(flyte_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return flyte_home


def execute(text: str, name: str) -> str:
    return flyte.with_runcontext(mode="local", name=name).run(kept_file, text=text).outputs()[0]


def runs(home: Path) -> list[str]:
    return sorted(each.name for each in (home / "local").iterdir() if each.is_dir())


def tidy(home: Path) -> None:
    (home / "local" / ".tidied").unlink(missing_ok=True)
    tidying.tidy(home)


def test_old_runs_go_and_young_ones_stay(home: Path) -> None:
    execute("a", "old")
    execute("b", "young")
    age(home / "local" / "old", 31)
    for path in shelf.results(home):
        age(path, 31)
    age(home / "local" / "young", 20)
    tidy(home)
    assert runs(home) == ["young"]
    assert list(shelf.results(home)) == []


def test_files_of_a_result_that_is_still_used_stay(home: Path) -> None:
    execute("a", "maker")
    execute("b", "other")
    age(home / "local" / "maker", 40)
    age(home / "local" / "other", 40)
    for path in shelf.results(home):
        age(path, 40)
    assert execute("a", "user") == "a"  # takes the result of "maker", which counts as used now
    tidy(home)
    assert runs(home) == ["maker", "user"]
    assert len(list(shelf.results(home))) == 1
    assert execute("a", "again") == "a"


def test_it_is_done_once_an_hour_and_at_the_start_of_a_run(home: Path) -> None:
    execute("a", "old")
    age(home / "local" / "old", 31)
    tidying.tidy(home)
    assert runs(home) == ["old"]
    for path in shelf.results(home):
        age(path, 31)
    age(home / "local" / ".tidied", 2)
    execute("c", "next")
    assert runs(home) == ["next"]


def test_without_a_local_run_nothing_is_made(flyte_home: Path) -> None:
    tidying.tidy(flyte_home)
    assert not flyte_home.exists()
