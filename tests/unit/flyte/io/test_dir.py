"""`Dir`: trees of files, made, walked, copied."""

import logging
import os
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.runtime import FakeRuntime

from flyte import errors
from flyte._context import RawDataPath
from flyte.io import Dir, EmptyDir, File

TREE = {"a.csv": b"a", "b/c.csv": b"", "b/d/e.txt": b"e" * 100_000, "z z/ü": b"z"}


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The raw data of the task in which the test runs, in a working directory of its own."""
    run, work = tmp_path / "run", tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with FakeRuntime().task(raw_data_path=RawDataPath(f"{run}/raw"), run_base_dir=str(run)):
        yield run / "raw"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return made(tmp_path / "source")


def made(folder: Path) -> Path:
    for name, content in TREE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def content(folder: Path | str) -> dict[str, bytes]:
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


async def test_a_folder_is_copied_with_all_that_is_in_it(raw: Path, source: Path) -> None:
    stored = await Dir.from_local(source)
    assert Path(stored.path).is_relative_to(raw)
    assert stored.name == "source"
    assert content(stored.path) == TREE
    assert content(await stored.download()) == TREE


async def test_the_hash_is_that_of_names_and_contents(raw: Path, tmp_path: Path) -> None:
    one = await Dir.from_local(made(tmp_path / "one"))
    two = await Dir.from_local(made(tmp_path / "two"), batch_size=1)
    assert one.hash is not None
    assert one.hash.startswith("xxh3-128:")
    assert one.hash == two.hash
    (tmp_path / "two" / "a.csv").rename(tmp_path / "two" / "A.csv")
    assert (await Dir.from_local(tmp_path / "two")).hash != one.hash
    given = await Dir.from_local(tmp_path / "two", dir_cache_key="mine")
    assert given.hash == "mine"


async def test_links_are_followed(raw: Path, source: Path, tmp_path: Path) -> None:
    outside = made(tmp_path / "outside")
    (source / "file-link").symlink_to(outside / "a.csv")
    (source / "folder-link").symlink_to(outside / "b")
    stored = await Dir.from_local(source)
    assert content(stored.path) == TREE | {
        "file-link": b"a",
        "folder-link/c.csv": b"",
        "folder-link/d/e.txt": TREE["b/d/e.txt"],
    }


def test_what_cannot_be_copied_is_an_error(raw: Path, source: Path) -> None:
    (source / "b" / "broken").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError, match="broken is a link that leads nowhere"):
        Dir.from_local_sync(source)
    (source / "b" / "broken").unlink()
    (source / "b" / "circle").symlink_to(source)
    with pytest.raises(OSError, match="a link to a folder that contains it"):
        Dir.from_local_sync(source)
    (source / "b" / "circle").unlink()
    os.mkfifo(source / "pipe")
    with pytest.raises(OSError, match="pipe is neither a file nor a folder"):
        Dir.from_local_sync(source)
    assert not raw.exists()


def test_sockets_are_refused(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s/socket")
        with pytest.raises(OSError, match="neither a file nor a folder"):
            Dir.from_local_sync("s")


async def test_empty_folders_are_named_in_a_warning(
    raw: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "b" / "nothing").mkdir()
    with caplog.at_level(logging.WARNING, "flyte.io"):
        await Dir.from_local(source)
    assert "b/nothing/" in caplog.text


async def test_an_empty_folder_becomes_the_empty_directory(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    stored = await Dir.from_local(tmp_path / "e")
    assert stored.is_empty
    assert stored.path == Dir.empty().path


async def test_a_failed_copy_leaves_nothing(raw: Path, source: Path) -> None:
    (source / "z-last").symlink_to("/proc/self/mem")  # a file whose first byte cannot be read
    with pytest.raises(errors.StorageError, match="z-last"):
        await Dir.from_local(source, batch_size=1)
    assert content(raw) == {}


async def test_what_is_no_folder_is_refused(source: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"use File\.from_local"):
        await Dir.from_local(source / "a.csv")
    with pytest.raises(NotADirectoryError, match="there is no folder"):
        await Dir.from_local(source / "nothing")


async def test_outside_of_tasks_the_copy_waits_until_it_is_needed(
    source: Path, flyte_home: Path
) -> None:
    folder = await Dir.from_local(source)
    assert folder.path == str(source)
    assert [file.lazy_uploader is not None for file in await folder.list_files()] == [True]
    assert folder.lazy_uploader is not None
    made_hash, uri = await folder.lazy_uploader()
    assert (folder.path, folder.hash) == (uri, made_hash)
    assert Path(uri).is_relative_to(flyte_home / "local")
    assert folder.lazy_uploader is None


# --- looking


async def names(folder: Dir, **options: object) -> list[str]:
    prefix = f"{folder.path}/"
    return [file.path.removeprefix(prefix) async for file in folder.walk(**options)]  # type: ignore[arg-type]


async def test_walk(source: Path) -> None:
    folder = Dir.from_existing_remote(source)
    assert await names(folder) == sorted(TREE)
    assert await names(folder, recursive=False) == ["a.csv"]
    assert await names(folder, max_depth=1) == ["a.csv"]
    assert await names(folder, max_depth=2) == ["a.csv", "b/c.csv", "z z/ü"]
    assert [file.name for file in await folder.list_files()] == ["a.csv"]


def test_walk_without_awaiting(source: Path) -> None:
    folder = Dir.from_existing_remote(f"{source}/")
    assert [file.name for file in folder.walk_sync(file_pattern="*.csv")] == ["a.csv", "c.csv"]
    assert [file.name for file in folder.walk_sync(recursive=False)] == ["a.csv"]
    assert [file.name for file in folder.list_files_sync()] == ["a.csv"]


async def test_get_file(source: Path) -> None:
    folder = Dir.from_existing_remote(source)
    found = await folder.get_file("b/d/e.txt")
    assert isinstance(found, File)
    async with found.open() as reader:
        assert await reader.read() == TREE["b/d/e.txt"]
    assert await folder.get_file("nothing") is None
    assert folder.get_file_sync("a.csv") == File(path=str(source / "a.csv"))
    with pytest.raises(ValueError, match="no name below a folder"):
        await folder.get_file("../x")


async def test_exists(source: Path, tmp_path: Path) -> None:
    assert await Dir.from_existing_remote(source).exists()
    assert not Dir.from_existing_remote(tmp_path / "nothing").exists_sync()
    assert Dir.empty().exists_sync()


def test_a_filled_directory_is_written_file_by_file(raw: Path) -> None:
    folder = Dir.new_remote("pages")
    assert folder.path.endswith("/pages")
    assert Dir.new_remote("pages").path != folder.path
    with File(path=f"{folder.path}/1/2.txt").open_sync("w") as page:
        page.write("two")
    assert content(folder.path) == {"1/2.txt": b"two"}


# --- downloading


def test_download_to_a_folder(source: Path, tmp_path: Path) -> None:
    folder = Dir.from_existing_remote(source)
    assert folder.download_sync(tmp_path / "copy") == str(tmp_path / "copy")
    assert content(tmp_path / "copy") == TREE


async def test_download_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.StorageNotFoundError, match="there is no directory"):
        await Dir.from_existing_remote(tmp_path / "nothing").download()


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
async def test_other_content_than_was_written_is_noticed(
    raw: Path, source: Path, tmp_path: Path, damage: str
) -> None:
    stored = await Dir.from_local(source)
    victim = Path(stored.path) / ("more" if damage == "added" else "a.csv")
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(b"X")
    with pytest.raises(errors.DataCorruptionError, match=stored.hash or "none"):
        await stored.download(tmp_path / "copy")
    assert content(tmp_path / "copy") == {}


async def test_the_empty_directory(tmp_path: Path) -> None:
    empty = Dir.empty()
    assert isinstance(empty, EmptyDir)
    assert empty.is_empty
    assert empty == EmptyDir.model_validate({})
    assert await names(empty) == []
    assert await empty.get_file("x") is None
    assert content(await empty.download(tmp_path / "copy")) == {}
    assert pickle.loads(pickle.dumps(empty)) == empty
    assert not Dir(path="s3://b/k").is_empty


def test_schema() -> None:
    assert Dir.schema_match(Dir.model_json_schema())
    assert not Dir.schema_match(File.model_json_schema())
    assert not File.schema_match(Dir.model_json_schema())
