"""The verbs of `flyte.storage` on a real S3 server."""

import asyncio
import contextlib
import csv
import io
import os
import random
import zipfile
from pathlib import Path

import pytest
from tests.storage_servers import READER_KEY, READER_SECRET, SeaweedFS, names_in, settings

from flyte import errors, storage
from flyte.storage import digests

MIB = 1024 * 1024


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def base(bucket: str) -> str:
    return f"s3://{bucket}"


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 20 * MIB + 3])
async def test_what_is_written_is_read(seaweedfs: SeaweedFS, base: str, size: int) -> None:
    content = content_of(size)
    await storage.write(f"{base}/a", content, settings=seaweedfs.settings)
    assert await storage.read(f"{base}/a", settings=seaweedfs.settings) == content
    assert bytes(await storage.map(f"{base}/a", settings=seaweedfs.settings)) == content
    assert (await storage.stat(f"{base}/a", settings=seaweedfs.settings)).size == size


async def test_several_buffers_become_one_object(seaweedfs: SeaweedFS, base: str) -> None:
    content = bytearray(content_of(12 * MIB))
    pieces = [memoryview(content)[:MIB], memoryview(content)[MIB:], b"end"]
    await storage.write(f"{base}/a", pieces, settings=seaweedfs.settings)
    assert await storage.read(f"{base}/a", settings=seaweedfs.settings) == bytes(content) + b"end"


async def test_walk_exists_and_delete(seaweedfs: SeaweedFS, base: str) -> None:
    s3 = seaweedfs.settings
    for name in ("d/b", "d/a/2", "d/a/1", "da", "odd name#?%20ü"):
        await storage.write(f"{base}/{name}", b"1", settings=s3)
    found = [entry.uri async for entry in storage.walk(f"{base}/d", settings=s3)]
    assert found == [f"{base}/d/a/1", f"{base}/d/a/2", f"{base}/d/b"]
    assert [e.uri async for e in storage.walk(f"{base}/da", settings=s3)] == [f"{base}/da"]
    assert [e.uri async for e in storage.walk(f"{base}/x", settings=s3)] == []
    assert len([e async for e in storage.walk(base, settings=s3)]) == 5
    assert await storage.read(f"{base}/odd name#?%20ü", settings=s3) == b"1"
    assert await storage.exists(f"{base}/d", settings=s3)
    assert await storage.exists(f"{base}/d/", settings=s3)
    assert not await storage.exists(f"{base}/x", settings=s3)
    assert storage.exists_sync(f"{base}/d/a/1", settings=s3)
    assert not storage.exists_sync(f"{base}/d/a/3", settings=s3)
    await storage.delete(f"{base}/d/b", settings=s3)
    await storage.delete(f"{base}/d/b", settings=s3)
    await storage.delete(f"{base}/d", recursive=True, settings=s3)
    assert len([e async for e in storage.walk(base, settings=s3)]) == 2


@pytest.mark.parametrize("size", [0, 5, 30 * MIB])
async def test_files_go_up_and_come_down_with_the_same_digest(
    seaweedfs: SeaweedFS, base: str, tmp_path: Path, size: int
) -> None:
    source, back = tmp_path / "source", tmp_path / "deep" / "back"
    source.write_bytes(content_of(size))
    expected = digests.Digest(size, digests.digest([content_of(size)]))
    s3 = seaweedfs.settings
    assert await storage.upload(source, f"{base}/f", settings=s3) == expected
    down = await storage.download(f"{base}/f", back, settings=s3, expected=expected.xxh3)
    assert down == expected
    assert back.read_bytes() == source.read_bytes()


async def test_another_content_than_expected_is_corrupt_and_replaces_nothing(
    seaweedfs: SeaweedFS, base: str, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    await storage.write(f"{base}/f", b"other", settings=seaweedfs.settings)
    expected, found = digests.digest([b"mine"]), digests.digest([b"other"])
    with pytest.raises(errors.DataCorruptionError, match=rf"(?s){expected}.*{found}"):
        await storage.download(f"{base}/f", kept, settings=seaweedfs.settings, expected=expected)
    assert kept.read_bytes() == b"kept"
    assert names_in(tmp_path) == ["kept"]


async def test_readers_seek_and_read_lines(seaweedfs: SeaweedFS, base: str) -> None:
    lines = [b"%d\n" % number for number in range(2_000_000)]
    content = b"".join(lines)
    await storage.write(f"{base}/lines", content, settings=seaweedfs.settings)
    async with await storage.reader(f"{base}/lines", settings=seaweedfs.settings) as file:
        assert file.size == len(content)
        assert [await file.readline() for _ in range(3)] == lines[:3]
        assert await file.seek(-20, os.SEEK_END) == len(content) - 20
        assert await file.read() == content[-20:]
        assert await file.read(5) == b""
        await file.seek(0)
        assert await file.read() == content
        await file.seek(len(content) - 16)
        assert [line async for line in file] == lines[-2:]


async def test_writers_publish_when_closed(seaweedfs: SeaweedFS, base: str) -> None:
    s3, reused = seaweedfs.settings, bytearray(3 * MIB)
    file = await storage.writer(f"{base}/w", settings=s3, chunk_size=5 * MIB)
    for number in range(5):
        reused[:] = bytes([number]) * len(reused)
        await file.write(reused)
    assert not await storage.exists(f"{base}/w", settings=s3)
    await file.close()
    content = await storage.read(f"{base}/w", settings=s3)
    assert content == b"".join(bytes([number]) * 3 * MIB for number in range(5))
    assert file.digest == digests.Digest(len(content), digests.digest([content]))


@pytest.mark.parametrize("size", [10, 20 * MIB])
async def test_what_is_abandoned_leaves_the_original_and_no_parts(
    seaweedfs: SeaweedFS, bucket: str, base: str, size: int
) -> None:
    s3 = seaweedfs.settings
    await storage.write(f"{base}/w", b"original", settings=s3)
    with contextlib.suppress(KeyError):
        async with await storage.writer(f"{base}/w", settings=s3, chunk_size=5 * MIB) as file:
            await file.write(content_of(size))
            raise KeyError
    with contextlib.suppress(KeyError), storage.sync_writer(f"{base}/w", settings=s3) as blocking:
        blocking.write(content_of(size))
        raise KeyError
    assert await storage.read(f"{base}/w", settings=s3) == b"original"
    assert seaweedfs.unfinished(bucket) == []


async def test_a_cancelled_transfer_leaves_no_parts(
    seaweedfs: SeaweedFS, bucket: str, base: str
) -> None:
    async def endless() -> None:
        async with await storage.writer(
            f"{base}/w", settings=seaweedfs.settings, chunk_size=5 * MIB
        ) as file:
            while True:
                await file.write(content_of(5 * MIB))
                if len(seaweedfs.unfinished(bucket)):
                    started.set()

    started = asyncio.Event()
    transfer = asyncio.ensure_future(endless())
    await started.wait()
    transfer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await transfer
    assert seaweedfs.unfinished(bucket) == []
    assert not await storage.exists(f"{base}/w", settings=seaweedfs.settings)


async def test_blocking_files_work_inside_a_running_loop(seaweedfs: SeaweedFS, base: str) -> None:
    s3 = seaweedfs.settings
    big = content_of(20 * MIB)
    target = storage.sync_writer(f"{base}/z", settings=s3)
    with target, zipfile.ZipFile(target, "w") as archive:
        archive.writestr("table.csv", "a,b\n1,2\n")
        archive.writestr("big", big)
    assert target.digest.size == (await storage.stat(f"{base}/z", settings=s3)).size
    with (
        storage.sync_reader(f"{base}/z", settings=s3) as source,
        zipfile.ZipFile(source) as archive,
    ):
        table = io.TextIOWrapper(archive.open("table.csv"))
        assert list(csv.reader(table)) == [["a", "b"], ["1", "2"]]
        assert archive.read("big") == big


async def test_the_official_functions(seaweedfs: SeaweedFS, base: str, tmp_path: Path) -> None:
    s3 = seaweedfs.settings
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_bytes(b"a")
    (tmp_path / "in" / "sub" / "b.txt").write_bytes(b"b")
    folder = await storage.put(str(tmp_path / "in"), f"{base}/in", recursive=True, **s3)
    assert folder == f"{base}/in"
    out = await storage.get(folder, str(tmp_path / "out"), recursive=True, **s3)
    assert (Path(out) / "sub" / "b.txt").read_bytes() == b"b"
    put = await storage.put(str(tmp_path / "in" / "a.txt"), f"{base}/single/", **s3)
    assert put == f"{base}/single/a.txt"
    assert await storage.read(await storage.get(put, **s3)) == b"a"

    async def pieces():
        for number in range(3):
            yield b"%d" % number

    streamed = await storage.put_stream(pieces(), to_path=f"{base}/stream", settings=s3)
    assert [p async for p in storage.get_stream(streamed, chunk_size=2, **s3)] == [b"01", b"2"]
    async with await storage.open(f"{base}/o", "wb", **s3) as target:
        await target.write(b"opened")
    async with await storage.open(f"{base}/o", **s3) as source:
        assert await source.read() == b"opened"


@pytest.mark.usefixtures("fsspec_thread")
async def test_the_file_system_of_fsspec(seaweedfs: SeaweedFS, base: str) -> None:
    system = storage.get_underlying_filesystem(path=base, settings=seaweedfs.settings)
    with system.open(f"{base}/x/y", "wb") as file:
        file.write(b"by fsspec")
    assert await storage.read(f"{base}/x/y", settings=seaweedfs.settings) == b"by fsspec"
    assert system.exists(f"{base}/x/y")
    assert [entry.rpartition("/")[2] for entry in system.ls(f"{base}/x", detail=False)] == ["y"]


async def test_settings_come_from_the_environment(
    seaweedfs: SeaweedFS, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYTE_AWS_ENDPOINT", seaweedfs.endpoint)
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", seaweedfs.settings["access_key_id"])
    monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", seaweedfs.settings["secret_access_key"])
    # Somebody else's credentials: ours win, and the token does not get mixed up with them.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
    await storage.write(f"{base}/env", b"1")
    assert await storage.read(f"{base}/env", settings=storage.S3.auto()) == b"1"
    assert await storage.read(f"{base}/env", settings=storage.GCS(retries=1)) == b"1"


async def test_refused_credentials_are_named_as_such(seaweedfs: SeaweedFS, base: str) -> None:
    wrong = settings(seaweedfs.port, secret="wrong")
    reader = settings(seaweedfs.port, key=READER_KEY, secret=READER_SECRET)
    for call in (
        storage.read(f"{base}/x", settings=wrong),
        storage.write(f"{base}/x", b"1", settings=wrong),
        storage.write(f"{base}/x", content_of(10 * MIB), settings=reader),
        storage.exists(f"{base}/x", settings=wrong),
        anext(storage.walk(base, settings=wrong)),
        storage.delete(f"{base}/x", recursive=True, settings=wrong),
        storage.reader(f"{base}/x", settings=wrong),
        storage.read(f"{base}/x", settings={"endpoint": seaweedfs.endpoint}),
    ):
        with pytest.raises(errors.StorageAccessError, match=rf"{base}.*check the credentials"):
            await call
    with pytest.raises(errors.StorageAccessError):
        storage.sync_reader(f"{base}/x", settings=wrong)
    with (
        pytest.raises(errors.StorageAccessError),
        storage.sync_writer(f"{base}/x", settings=reader) as file,
    ):
        file.write(b"1")


async def test_a_missing_object_and_a_vanished_bucket_are_told_apart(
    seaweedfs: SeaweedFS, bucket: str, base: str, tmp_path: Path
) -> None:
    s3 = seaweedfs.settings
    for call in (
        storage.read(f"{base}/none", settings=s3),
        storage.stat(f"{base}/none", settings=s3),
        storage.reader(f"{base}/none", settings=s3),
        storage.download(f"{base}/none", tmp_path / "none", settings=s3),
    ):
        with pytest.raises(errors.StorageNotFoundError, match=rf"{base}/none: NoSuchKey"):
            await call
    assert names_in(tmp_path) == []
    seaweedfs.drop_bucket(bucket)
    for call in (
        storage.read(f"{base}/x", settings=s3),
        storage.stat(f"{base}/x", settings=s3),
        storage.exists(f"{base}/x", settings=s3),
        storage.write(f"{base}/x", b"1", settings=s3),
        storage.write(f"{base}/x", content_of(10 * MIB), settings=s3),
        anext(storage.walk(base, settings=s3)),
    ):
        with pytest.raises(errors.StorageNotFoundError, match=rf"{base}.*NoSuchBucket"):
            await call
