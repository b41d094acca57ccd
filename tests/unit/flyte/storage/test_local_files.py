"""Files by path: copies, open files, full disks; what fails leaves nothing and keeps what was there."""

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from tests.disks import small_disk
from tests.storage_servers import names_in

from flyte import errors, storage
from flyte._kit import aio
from flyte.storage import _copying, digests

MIB = 1024 * 1024
BIG = os.urandom(3 * MIB + 5)


def run(program: str) -> str:
    """What a program of its own process prints."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    ).stdout


def now_in(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept"
    path.write_bytes(b"original")
    return path


@pytest.mark.parametrize("content", [b"", b"small", BIG])
async def test_copies_have_the_digest_of_the_content(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    expected = digests.Digest(len(content), digests.digest([content]))
    up = str(tmp_path / "store" / "deep" / "file")
    assert await storage.upload(source, up) == expected
    back = tmp_path / "back"
    assert await storage.download(f"file://{up}", back, expected=expected.xxh3) == expected
    assert back.read_bytes() == content


def test_small_copies_do_not_wait(tmp_path: Path, kept: Path) -> None:
    assert aio.drive(storage.upload(kept, str(tmp_path / "b"))).size == len(b"original")


@pytest.mark.parametrize("content", [b"other", BIG])
async def test_a_corrupt_copy_is_refused(tmp_path: Path, kept: Path, content: bytes) -> None:
    (tmp_path / "source").write_bytes(content)
    expected, found = digests.digest([b"x"]), digests.digest([content])
    with pytest.raises(errors.DataCorruptionError, match=f"must be {expected}.*{found}"):
        await storage.download(str(tmp_path / "source"), kept, expected=expected)
    assert now_in(kept) == b"original"
    assert names_in(tmp_path) == ["kept", "source"]


async def test_a_cancelled_copy_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(2 * 1024 * MIB)
    copying = asyncio.ensure_future(storage.upload(source, str(tmp_path / "copy")))
    await asyncio.sleep(0)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert names_in(tmp_path) == ["source"]


@pytest.mark.parametrize(
    "way", [_copying._in_kernel, _copying._by_sendfile, _copying._through_memory]
)
def test_every_way_of_copying_copies(tmp_path: Path, way) -> None:
    (tmp_path / "a").write_bytes(BIG)
    with (tmp_path / "a").open("rb", buffering=0) as a, (tmp_path / "b").open("wb") as b:
        assert sum(way(a, b)) == len(BIG)
    assert (tmp_path / "b").read_bytes() == BIG


def test_files_that_the_kernel_makes_up_are_copied(tmp_path: Path) -> None:
    with Path("/proc/self/status").open("rb", buffering=0) as a, (tmp_path / "b").open("wb") as b:
        _copying.move(a, b, Event())
    assert b"Name:" in (tmp_path / "b").read_bytes()


async def test_several_buffers_are_written_without_joining_them(tmp_path: Path) -> None:
    pieces = [memoryview(BIG)[:MIB], bytearray(BIG[MIB:]), b"end"]
    await storage.write(str(tmp_path / "x"), pieces)
    assert await storage.read(str(tmp_path / "x")) == BIG + b"end"


@pytest.mark.parametrize("size", [0, 10, 16 * MIB])
async def test_a_mapped_file_can_be_written_to_and_stays(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(size))
    view = await storage.map(str(path))
    assert len(view) == size
    view[: min(3, size)] = b"new"[:size]
    path.unlink()
    assert bytes(view[:3]) == b"new"[:size]


async def test_walks_are_sorted_and_leave_out_what_is_unfinished(tmp_path: Path) -> None:
    for name in ("b", "a/2", "a/1", "a.txt"):
        await storage.write(str(tmp_path / "d" / name), b"12")
    writing = await storage.writer(str(tmp_path / "d" / "c"))
    found = [(e.uri, e.size) async for e in storage.walk(f"file://{tmp_path}/d")]
    await writing.abort()
    assert found == [(f"file://{tmp_path}/d/{name}", 2) for name in ("a.txt", "a/1", "a/2", "b")]
    one = str(tmp_path / "d" / "b")
    assert [e.uri async for e in storage.walk(one)] == [one]
    assert [e async for e in storage.walk(str(tmp_path / "none"))] == []


async def test_delete(tmp_path: Path) -> None:
    await storage.write(str(tmp_path / "d" / "a"), b"")
    with pytest.raises(errors.StorageError, match="cannot delete"):
        await storage.delete(str(tmp_path / "d"))
    await storage.delete(str(tmp_path / "d"), recursive=True)
    await storage.delete(str(tmp_path / "d" / "a"))
    assert not await storage.exists(str(tmp_path / "d"))


async def test_stat_has_an_etag_that_changes_with_the_content(kept: Path) -> None:
    before = await storage.stat(str(kept))
    await storage.write(str(kept), b"modified")
    after = await storage.stat(str(kept))
    assert before.size == after.size == 8
    assert before.etag != after.etag
    with pytest.raises(errors.StorageNotFoundError, match="cannot look at"):
        await storage.stat(str(kept) + "x")


async def test_open_files(kept: Path) -> None:
    async with await storage.writer(str(kept)) as file:
        await file.write(b"a\nbc\n")
        await file.write(BIG)
        assert now_in(kept) == b"original"
        with pytest.raises(ValueError, match="no digest"):
            _ = file.digest
    assert file.digest == digests.Digest(5 + len(BIG), digests.digest([b"a\nbc\n", BIG]))
    async with await storage.reader(str(kept)) as file:
        assert [await file.readline(), await file.readline()] == [b"a\n", b"bc\n"]
        assert await file.read(2 * MIB) == BIG[: 2 * MIB]
        assert await file.tell() == 5 + 2 * MIB
        await file.seek(-5, os.SEEK_CUR)
        assert await file.read() == BIG[2 * MIB - 5 :]
        with pytest.raises(ValueError, match="cannot go to"):
            await file.seek(-1)


async def test_what_is_not_finished_is_not_published(tmp_path: Path, kept: Path) -> None:
    with contextlib.suppress(KeyError):
        async with await storage.writer(str(kept)) as file:
            await file.write(b"half")
            raise KeyError
    with contextlib.suppress(KeyError), storage.sync_writer(str(kept)) as blocking:
        blocking.write(b"half")
        raise KeyError
    forgotten = storage.sync_writer(str(kept))
    forgotten.write(b"half")
    del forgotten
    left = await storage.writer(str(kept))
    await left.write(b"half")
    del left
    assert now_in(kept) == b"original"
    assert names_in(tmp_path) == ["kept"]


async def test_a_blocking_writer_publishes_once(kept: Path) -> None:
    with storage.sync_writer(str(kept)) as file:
        assert file.write(b"new") == 3
        assert file.tell() == 3
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")
    with storage.sync_reader(str(kept)) as read:
        assert read.read() == b"new"
    assert file.digest.xxh3 == digests.digest([b"new"])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    with small_disk(tmp_path / "tiny", "1m") as folder:
        yield folder


async def test_a_full_disk_is_named_and_leaves_the_original(
    tiny_disk: Path, tmp_path: Path
) -> None:
    target = tiny_disk / "f"
    await storage.write(str(target), b"original")
    (tmp_path / "source").write_bytes(BIG)

    async def by_writer() -> None:
        async with await storage.writer(str(target)) as file:
            await file.write(BIG)

    async def by_pieces() -> None:
        with storage.sync_writer(str(target)) as file:
            for start in range(0, len(BIG), 1000):
                file.write(BIG[start : start + 1000])

    for call in (
        storage.write(str(target), BIG),
        storage.write(str(target), [BIG[: 900 * 1024], BIG[: 900 * 1024]]),
        storage.upload(tmp_path / "source", str(target)),
        storage.download(str(tmp_path / "source"), target),
        by_writer(),
        by_pieces(),
    ):
        with pytest.raises(errors.StorageFullError, match=r"No space left on device; make room"):
            await call
    assert target.read_bytes() == b"original"
    assert names_in(tiny_disk) == ["f"]


def test_a_limit_on_file_sizes_counts_as_full(tmp_path: Path) -> None:
    program = f"""
        import resource, signal
        from flyte import errors, storage
        from flyte._kit import aio
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for pieces in (bytes(200_000), bytes(2_000_000), [bytes(60_000)] * 2):
            try:
                aio.drive(storage.write({str(tmp_path / "x")!r}, pieces))
            except errors.StorageFullError as error:
                print(error)
    """
    assert run(program).count("File too large; make room") == 3
    assert names_in(tmp_path) == []


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    program = f"""
        import os
        from flyte import errors, storage
        from flyte._kit import aio
        if os.geteuid() == 0:
            os.setuid(65534)  # root may write everywhere
        try:
            aio.drive(storage.write({str(tmp_path / "x")!r}, b""))
        except errors.StorageAccessError as error:
            print(error)
    """
    assert "Permission denied; check the credentials" in run(program)


def test_a_large_copy_needs_no_memory(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(512 * MIB)
    program = f"""
        import asyncio
        from pathlib import Path
        from flyte import storage
        asyncio.run(storage.upload(Path({str(source)!r}), {str(tmp_path / "copy")!r}))
        asyncio.run(storage.download({str(tmp_path / "copy")!r}, Path({str(tmp_path / "back")!r})))
        print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    """
    assert int(run(program)) < 150 * 1024, "KiB of a process that has copied 1 GiB"


async def test_the_official_functions_on_paths(tmp_path: Path, flyte_home: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "b").write_bytes(b"b")
    out = await storage.put(str(tmp_path / "in"), str(tmp_path / "out"), recursive=True)
    assert await storage.read(f"{out}/sub/b") == b"b"
    fetched = await storage.get(f"{out}/sub/b")
    assert fetched.startswith(str(flyte_home))
    assert fetched.endswith("/b")
    assert await storage.get(out, str(tmp_path / "again"), recursive=True) == str(
        tmp_path / "again"
    )
    assert await storage.read(f"{tmp_path}/again/sub/b") == b"b"
    streamed = await storage.put_stream(iter([b"1", b"2"]), name="s.txt")
    assert streamed.endswith("/s.txt")
    assert [piece async for piece in storage.get_stream(streamed, chunk_size=1)] == [b"1", b"2"]
    assert (await storage.put(streamed, str(tmp_path))) == str(tmp_path / "s.txt")
    with pytest.raises(ValueError, match="'a'"):
        await storage.open(streamed, "a")
    for missing in (storage.get("/none", recursive=True), storage.put("/none", recursive=True)):
        with pytest.raises(errors.StorageNotFoundError, match="/none"):
            await missing
    assert storage.get_random_local_directory().is_dir()
    assert storage.exists_sync(streamed)
