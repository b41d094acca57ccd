"""`File`: made, written, read, checked."""

import asyncio
import bz2
import copy
import csv
import gzip
import io
import json
import lzma
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte import errors
from flyte._context import RawDataPath
from flyte._kit import aio
from flyte.io import File, HashFunction
from flyte.io._hashing import HashMethod, ours
from flyte.storage import digests

CONTENT = b"a,b\r\n1,2\r\n" * 1000


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
    path = tmp_path / "x.csv"
    path.write_bytes(CONTENT)
    return path


class Point(pydantic.BaseModel):
    x: int


def checksum(content: bytes) -> str:
    return f"xxh3-128:{digests.digest([content])}"


def content(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def overwrite(path: str | Path, data: bytes) -> None:
    Path(path).write_bytes(data)


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def fail_halfway(file: File, **options: Any) -> None:
    async with file.open("wb", **options) as out:
        await out.write(b"half")
        raise RuntimeError("halfway")


def fail_halfway_sync(file: File, **options: Any) -> None:
    with file.open_sync("wb", **options) as out:
        out.write(b"half")
        raise RuntimeError("halfway")


async def read(file: File, at_a_time: int = -1, **options: Any) -> Any:
    async with file.open(**options) as reader:
        pieces = []
        while piece := await reader.read(at_a_time):
            pieces.append(piece)
        return b"".join(pieces)


def read_sync(file: File, **options: Any) -> Any:
    with file.open_sync(**options) as reader:
        return reader.read()


async def write(file: File, data: Any, **options: Any) -> None:
    async with file.open(**options) as out:
        await out.write(data)


class Backwards(HashMethod):
    """Length and last byte: something that needs all pieces in their order."""

    def __init__(self) -> None:
        self.reset()

    def update(self, data: Any) -> None:
        self._size += len(data)
        self._last = bytes(data[-1:]) or self._last

    def result(self) -> str:
        return f"{self._size}:{self._last!r}"

    def reset(self) -> None:
        self._size, self._last = 0, b""


# --- making


async def test_local_file_is_copied_into_the_raw_data(raw: Path, source: Path) -> None:
    file = await File.from_local(source)
    overwrite(source, b"changed")
    assert Path(file.path).is_relative_to(raw)
    assert file.name == "x.csv"
    assert file.hash == checksum(CONTENT)
    assert await read(file) == CONTENT


async def test_two_copies_lie_apart(raw: Path, source: Path) -> None:
    one, two = await asyncio.gather(File.from_local(source), File.from_local(source))
    assert one.path != two.path
    assert one.hash == two.hash


async def test_a_destination_is_taken_as_it_is_and_a_folder_keeps_the_name(
    source: Path, tmp_path: Path
) -> None:
    file = await File.from_local(source, str(tmp_path / "out" / "y.csv"))
    into = await File.from_local(source, f"{tmp_path}/folder/")
    assert (file.path, file.name) == (str(tmp_path / "out" / "y.csv"), "y.csv")
    assert into.path == str(tmp_path / "folder" / "x.csv")
    assert content(into.path) == CONTENT


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing\.csv"):
        await File.from_local(tmp_path / "nothing.csv")
    with pytest.raises(IsADirectoryError, match=r"use Dir\.from_local"):
        await File.from_local(tmp_path)


async def test_outside_of_tasks_the_copy_waits_until_it_is_needed(source: Path) -> None:
    file = await File.from_local(source)
    assert file.path == str(source)
    assert file.hash is None
    uploader = file.lazy_uploader
    assert uploader is not None
    made, uri = await uploader()
    assert made == checksum(CONTENT)
    assert (file.hash, file.path) == (made, uri)
    assert uri != str(source)
    assert file.lazy_uploader is None


async def test_what_was_stored_without_a_session_lies_in_the_home(
    source: Path, flyte_home: Path
) -> None:
    file = await File.from_local(source)
    await file.settle()
    assert Path(file.path).is_relative_to(flyte_home / "local")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "."])
def test_names_stay_in_their_folder(name: str) -> None:
    with pytest.raises(ValueError, match="no name below a folder"):
        File.new_remote(name)
    with pytest.raises(ValueError, match="no name below a folder"):
        File.named_remote(name)


def test_new_addresses_differ_and_named_ones_do_not(raw: Path) -> None:
    assert File.new_remote("m.bin").path != File.new_remote("m.bin").path
    assert File.new_remote("m.bin").path.endswith("/m.bin")
    assert File.named_remote("m.bin") == File.named_remote("m.bin")
    assert File.named_remote("m.bin") != File.named_remote("n.bin")
    assert Path(File.named_remote("m.bin").path).is_relative_to(raw)


def test_an_existing_file_is_referred_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    remote = File.from_existing_remote("s3://bucket/a/x.csv", file_cache_key="v1")
    assert (remote.path, remote.name, remote.hash) == ("s3://bucket/a/x.csv", "x.csv", "v1")
    assert remote.lazy_uploader is None
    assert File.from_existing_remote("x.csv").path == str(tmp_path / "x.csv")
    assert File.from_existing_remote("s3://bucket/x.csv").hash is None


# --- hashes


async def test_own_hashes(raw: Path, source: Path) -> None:
    by_method = await File.from_local(source, hash_method=Backwards())
    by_function = await File.from_local(
        source, hash_method=HashFunction.from_fn(lambda content: str(len(content)))
    )
    given = await File.from_local(source, hash_method="as of today")
    assert by_method.hash == f"{len(CONTENT)}:{CONTENT[-1:]!r}"
    assert by_function.hash == str(len(CONTENT))
    assert given.hash == "as of today"


async def test_a_method_sees_what_is_written_piece_by_piece(raw: Path) -> None:
    file = File.new_remote("x", hash_method=Backwards())
    async with file.open("wb") as out:
        await out.write(b"abc")
        await out.write(b"de")
    assert file.hash == "5:b'e'"
    with file.open_sync("wb") as out:
        out.write(b"xy")
    assert file.hash == "2:b'y'"


async def test_a_hash_that_was_given_beforehand_stays(raw: Path) -> None:
    file = File.new_remote("x", hash_method="mine")
    async with file.open("wb") as out:
        await out.write(b"abc")
    assert file.hash == "mine"


def test_hash_function_sees_the_whole_however_it_was_cut() -> None:
    function = HashFunction.from_fn(repr)
    with pytest.raises(ValueError, match="no content"):
        function.result()
    function.update(b"ab")
    function.update(memoryview(b"c"))
    assert function.result() == "b'abc'"
    function.reset()
    function.update({"a": "frame"})
    assert function.result() == "{'a': 'frame'}"


# --- reading and writing


async def test_written_and_read(raw: Path) -> None:
    file = File.new_remote("x.bin")
    async with file.open("wb") as out:
        assert await out.write(b"one ") == 4
        await out.write(bytearray(b"two"))
    assert file.hash == checksum(b"one two")
    async with file.open("rb") as reader:
        assert reader.size == 7
        assert await reader.read(3) == b"one"
        assert await reader.read() == b" two"
        assert await reader.read() == b""
        assert await reader.seek(-3, io.SEEK_END) == 4
        assert await reader.read(2) == b"tw"
        assert await reader.tell() == 6
        assert await reader.seek(0) == 0
        assert await reader.readline() == b"one two"


def test_written_and_read_without_awaiting(raw: Path) -> None:
    file = File.new_remote("x.bin")
    with file.open_sync("wb") as out:
        out.write(b"one\ntwo\n")
    assert file.hash == checksum(b"one\ntwo\n")
    with file.open_sync() as reader:
        assert reader.read(4) == b"one\n"
        assert reader.seek(0) == 0
        assert list(reader) == [b"one\n", b"two\n"]


@pytest.mark.parametrize("compression", [None, "gzip", "bz2", "xz"])
@pytest.mark.parametrize("text", [False, True])
async def test_modes_understand_each_other(raw: Path, compression: str | None, text: bool) -> None:
    """What the one way has written, the other reads: bytes and text, with and without compression."""
    mode = "w" if text else "wb"
    lines: list[Any] = [f"zeile {i} äöü\n" for i in range(50_000)]
    if not text:
        lines = [line.encode() for line in lines]
    whole = lines[0][:0].join(lines)
    first, second = File.new_remote("a"), File.new_remote("b")
    async with first.open(mode, compression=compression) as out:
        for line in lines:
            await out.write(line)
    with second.open_sync(mode, compression=compression) as out:
        out.writelines(lines)
    for file in (first, second):
        reading: Any = {"mode": mode.replace("w", "r"), "compression": compression}
        async with file.open(**reading) as reader:
            assert await reader.read(5) + await reader.read() == whole
        async with file.open(**reading) as reader:
            assert [line async for line in reader] == lines
        with file.open_sync(**reading) as reader:
            assert reader.read() == whole


async def test_compression_by_suffix(raw: Path) -> None:
    file = File.new_remote("x.txt.gz")
    async with file.open("w", compression="infer") as out:
        await out.write("hello")
    assert gzip.decompress(content(file.path)) == b"hello"
    with file.open_sync("r", compression="infer") as reader:
        assert reader.read() == "hello"
    with File.new_remote("x.txt").open_sync("w", compression="infer") as plain:
        plain.write("hello")


@pytest.mark.parametrize(
    ("compression", "compress"),
    [("gzip", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)],
)
async def test_compressed_content_in_several_members(
    raw: Path, tmp_path: Path, compression: str, compress: Any
) -> None:
    path = tmp_path / "parts"
    file = File.from_existing_remote(path)
    overwrite(path, compress(b"one ") + compress(b"") + compress(b"two") + b"\0" * 8)
    assert await read(file, compression=compression) == b"one two"
    overwrite(path, compress(b"one" * 1000)[:-4])
    with pytest.raises(EOFError, match="ends in the middle"):
        await read(file, compression=compression)


async def test_equal_content_compresses_to_equal_bytes(raw: Path) -> None:
    made = [File.new_remote("a"), File.new_remote("b")]
    for file in made:
        with file.open_sync("wb", compression="gzip") as out:
            out.write(b"same")
    assert made[0].hash == made[1].hash


async def test_text_has_an_encoding_and_line_ends(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "t"
    overwrite(path, "ä\r\nö\r\n".encode("utf-16"))
    file = File.from_existing_remote(path)
    async with file.open("r", encoding="utf-16") as reader:
        assert await reader.read() == "ä\nö\n"
    async with file.open("r", encoding="utf-16", newline="") as reader:
        assert await reader.readline() == "ä\r\n"
    out = File.new_remote("out")
    async with out.open("w", encoding="utf-16", newline="\r\n") as writer:
        await writer.write("ä\n")
        await writer.write("ö\n")
    assert content(out.path) == content(path)


async def test_streams_that_go_forward_do_not_jump(raw: Path) -> None:
    file = File.new_remote("x")
    async with file.open("w") as out:
        await out.write("abc")
    async with file.open("r") as reader:
        with pytest.raises(io.UnsupportedOperation, match="without compression"):
            await reader.seek(1)


async def test_bytes_and_text_are_not_mixed_up(raw: Path) -> None:
    for mode, wrong in (("wb", "text"), ("w", b"bytes")):
        with pytest.raises(TypeError, match="open it with mode"):
            await write(File.new_remote("x"), wrong, mode=mode)


@pytest.mark.parametrize(
    ("mode", "options", "complaint"),
    [
        ("ab", {}, "stores replace files whole"),
        ("r+b", {}, "there is no mode"),
        ("rb", {"compression": "zstd"}, "use one of: gzip"),
    ],
)
async def test_what_cannot_be_opened(mode: str, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        await read(File(path="/x"), mode=mode, **options)
    with pytest.raises(ValueError, match=complaint):
        read_sync(File(path="/x"), mode=mode, **options)


async def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="no option 'encodin'; use one of: encoding, errors, newl"):
        await read(File(path="/x"), mode="r", encodin="utf-8")


def test_libraries_take_the_file_objects(raw: Path) -> None:
    table, archive, document = (File.new_remote(name) for name in ("t.csv", "a.zip", "d.json"))
    with table.open_sync("w", newline="") as out:
        csv.writer(out).writerows([["a", "b"], [1, 2]])
    with table.open_sync("r", newline="") as text:
        assert list(csv.DictReader(text)) == [{"a": "1", "b": "2"}]
    with archive.open_sync("wb") as out, zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr("one", "1" * 1000)
        zipped.writestr("two", "2")
    with archive.open_sync() as found, zipfile.ZipFile(found) as zipped:
        assert zipped.read("two") == b"2"
        assert zipped.testzip() is None
    with document.open_sync("w") as out:
        json.dump({"a": [1]}, out)
    with document.open_sync("r") as text:
        assert json.load(text) == {"a": [1]}


# --- failures


async def test_a_failing_writer_leaves_nothing_and_keeps_the_original(raw: Path) -> None:
    file = File.named_remote("x")
    with pytest.raises(RuntimeError, match="halfway"):
        await fail_halfway(file)
    assert files(raw) == []
    await write(file, b"whole", mode="wb")
    before = file.hash
    for options in ({}, {"compression": "gzip"}):
        with pytest.raises(RuntimeError, match="halfway"):
            fail_halfway_sync(file, **options)
        with pytest.raises(RuntimeError, match="halfway"):
            await fail_halfway(file, **options)
    assert files(raw) == [b"whole"]
    assert file.hash == before


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b"x", b"A" + CONTENT[1:]])
async def test_other_content_than_was_written_is_noticed(
    raw: Path, source: Path, tmp_path: Path, damage: bytes
) -> None:
    file = await File.from_local(source)
    overwrite(file.path, damage)
    with pytest.raises(errors.DataCorruptionError) as caught:
        await read(file, at_a_time=4096)
    for told in (file.path, ours(file.hash), digests.digest([damage])):
        assert str(told) in str(caught.value)
    with pytest.raises(errors.DataCorruptionError):
        read_sync(file, mode="r")
    copied = tmp_path / "copy"
    with pytest.raises(errors.DataCorruptionError):
        await file.download(copied)
    assert not copied.exists()


async def test_reading_in_another_order_is_not_checked(raw: Path, source: Path) -> None:
    file = await File.from_local(source)
    overwrite(file.path, b"A" + CONTENT[1:])
    async with file.open() as reader:
        await reader.seek(10)
        assert await reader.read() == CONTENT[10:]


async def test_jumping_back_does_not_end_the_check(raw: Path, source: Path) -> None:
    file = await File.from_local(source)
    overwrite(file.path, b"A" + CONTENT[1:])
    async with file.open() as reader:
        await reader.read(100)
        await reader.seek(0)
        with pytest.raises(errors.DataCorruptionError):
            await reader.read()


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = File.from_existing_remote(tmp_path / "nothing")
    assert not await file.exists()
    with pytest.raises(errors.StorageNotFoundError, match="nothing"):
        await read(file)
    with pytest.raises(errors.StorageNotFoundError):
        read_sync(file)
    with pytest.raises(errors.StorageNotFoundError):
        await file.download()


# --- downloading


async def test_download_to_a_path_or_into_a_folder(raw: Path, source: Path, tmp_path: Path) -> None:
    file = await File.from_local(source)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert await file.download(tmp_path / "y.csv") == str(tmp_path / "y.csv")
    assert await file.download(folder) == str(folder / "x.csv")
    assert await file.download(f"{tmp_path}/new/") == str(tmp_path / "new" / "x.csv")
    for path in (tmp_path / "y.csv", folder / "x.csv", tmp_path / "new" / "x.csv"):
        assert content(path) == CONTENT


async def test_download_by_default_is_private_and_below_the_working_directory(
    raw: Path, source: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    file = await File.from_local(source)
    one, two = await file.download(), await file.download()
    assert one != two
    assert Path(one).name == "x.csv"
    assert Path(one).is_relative_to(work)
    overwrite(one, b"changed")
    assert content(two) == CONTENT


async def test_download_outside_of_control_planes_leaves_the_working_directory_clean(
    source: Path, flyte_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copied = await File.from_existing_remote(source).download()
    assert Path(copied).is_relative_to(flyte_home)


# --- blocking twins


def test_sync_twins(source: Path, tmp_path: Path) -> None:
    file = File.from_local_sync(source, str(tmp_path / "y"))
    assert file.exists_sync()
    assert Path(file.download_sync()).read_bytes() == CONTENT
    assert not File.from_existing_remote(tmp_path / "z").exists_sync()


async def test_sync_twins_inside_a_running_loop(source: Path, tmp_path: Path) -> None:
    test_sync_twins(source, tmp_path)


def test_sync_twins_on_the_loop_of_the_sdk(source: Path, tmp_path: Path) -> None:
    async def task() -> None:
        test_sync_twins(source, tmp_path)

    aio.background().wait(task())


# --- as a value


def test_files_compare_by_what_they_name() -> None:
    one = File.from_existing_remote("s3://b/x", file_cache_key="k")
    assert one == File[int](path="s3://b/x", hash="k")
    assert hash(one) == hash(File(path="s3://b/x"))
    assert one != File(path="s3://b/x")
    assert one != "s3://b/x"
    assert repr(one) == "File(path='s3://b/x', hash='k')"
    assert repr(File(path="/x", name="y", format="csv")) == (
        "File(path='/x', name='y', format='csv')"
    )


def test_files_are_copied_and_pickled(source: Path) -> None:
    pending = File[Point].pending(source)
    for twin in (pickle.loads(pickle.dumps(pending)), copy.deepcopy(pending)):
        assert twin == pending
        assert type(twin) is type(pending)
        assert twin.lazy_uploader is not None


def test_schema() -> None:
    schema = File.model_json_schema()
    assert schema["x-flyte-type"] == "file"
    assert set(schema["properties"]) == {"path", "name", "format", "hash"}
    assert File.schema_match(schema)
    assert File.schema_match({"title": "File", "type": "object"})
    assert not File.schema_match({"title": "Dir", "type": "object"})


# --- object stores


async def test_files_in_object_stores(tmp_path: Path) -> None:
    with FakeRuntime().task(raw_data_path=RawDataPath("memory://bucket/raw")):
        file = File.new_remote("x.csv")
        await write(file, CONTENT, mode="wb")
        assert file.path.startswith("memory://bucket/raw/")
        assert file.hash == checksum(CONTENT)
        assert await read(file) == CONTENT
        assert read_sync(file, mode="rb") == CONTENT
        assert content(await file.download(tmp_path / "copy")) == CONTENT
        with file.open_sync("w") as out:
            out.write("other")
        assert read_sync(file, mode="r") == "other"
        with pytest.raises(RuntimeError, match="halfway"):
            await fail_halfway(file)
        assert await read(file) == b"other"
        assert not await File(path="memory://bucket/nothing").exists()


# --- notebooks


notebook = flyte.TaskEnvironment(name="notebook")


@notebook.task
async def shouted(file: File) -> File:
    """Blocking calls in an async task, which in a notebook runs on the loop of the SDK."""
    made = File.new_remote("shouted.txt")
    with file.open_sync("r") as text, made.open_sync("w") as out:
        out.write(text.read().upper())
    return File.from_local_sync(made.download_sync())


async def test_a_run_inside_a_running_loop(source: Path) -> None:
    run = flyte.run(shouted, File.from_local_sync(source))
    made = run.outputs()[0]
    assert read_sync(made, mode="rb") == CONTENT.upper().replace(b"\r\n", b"\n")
    assert made.name == "shouted.txt"
