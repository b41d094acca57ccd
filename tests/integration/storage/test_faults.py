"""What happens to transfers when connections break, stall and lie; a real S3 server behind a line that fails."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.storage_servers import Fault, Line, SeaweedFS, names_in

from flyte import errors, storage
from flyte.storage import digests

MIB = 1024 * 1024
CONTENT = random.Random(0).randbytes(30 * MIB)
# As many retries as one range could meet faults: what a reset takes with it, is a matter of chance.
QUICK = {"backoff": "0.05", "retries": "6"}


@pytest.fixture
def line(seaweedfs: SeaweedFS) -> Iterator[Line]:
    with Line(seaweedfs.port) as made:
        yield made


@pytest.fixture
def uri(bucket: str) -> str:
    return f"s3://{bucket}/object"


@pytest.fixture
async def stored(seaweedfs: SeaweedFS, uri: str) -> str:
    await storage.write(uri, CONTENT, settings=seaweedfs.settings)
    return uri


async def test_downloads_go_on_where_a_connection_was_killed(
    stored: str, line: Line, tmp_path: Path
) -> None:
    line.fail(*(Fault(received=number * MIB) for number in (1, 2, 3, 5)))
    s3 = {**line.settings, **QUICK}
    digest = await storage.download(stored, tmp_path / "f", settings=s3)
    assert digest == digests.Digest(len(CONTENT), digests.digest([CONTENT]))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert line.connections > 4


async def test_reads_survive_killed_connections(stored: str, line: Line) -> None:
    s3 = {**line.settings, **QUICK}
    line.fail(Fault(received=3 * MIB), Fault(received=1))
    assert await storage.read(stored, settings=s3) == CONTENT
    line.fail(Fault(received=MIB // 2), Fault(received=4 * MIB))
    async with await storage.reader(stored, settings=s3) as file:
        assert await file.read() == CONTENT
    line.fail(Fault(received=MIB), Fault(received=2 * MIB))
    with storage.sync_reader(stored, settings=s3) as blocking:
        assert blocking.read() == CONTENT


async def test_uploads_survive_killed_connections(
    seaweedfs: SeaweedFS, bucket: str, uri: str, line: Line, tmp_path: Path
) -> None:
    source = tmp_path / "f"
    source.write_bytes(CONTENT)
    s3 = {**line.settings, **QUICK}
    line.fail(*(Fault(sent=number * MIB) for number in (1, 2, 3, 5)))
    digest = await storage.upload(source, uri, settings=s3)
    assert digest.xxh3 == digests.digest([CONTENT])
    assert await storage.read(uri, settings=seaweedfs.settings) == CONTENT
    line.fail(*(Fault(sent=number * MIB) for number in (1, 2, 3)))
    with storage.sync_writer(uri, settings=s3) as file:
        file.write(CONTENT[::-1])
    assert await storage.read(uri, settings=seaweedfs.settings) == CONTENT[::-1]
    assert seaweedfs.unfinished(bucket) == []


async def test_a_line_that_stays_broken_leaves_the_original_and_no_parts(
    seaweedfs: SeaweedFS, bucket: str, uri: str, line: Line, tmp_path: Path
) -> None:
    await storage.write(uri, b"original", settings=seaweedfs.settings)
    source, kept = tmp_path / "source", tmp_path / "kept"
    source.write_bytes(CONTENT)
    kept.write_bytes(b"kept")
    s3 = {**line.settings, **QUICK, "retries": "1"}
    # Each part of the upload breaks off, but not the small requests around it.
    line.fail(*[Fault(sent=MIB)] * 100)
    with pytest.raises(
        errors.StorageError, match=rf"{uri}: the connection broke off after 1 retries"
    ):
        await storage.upload(source, uri, settings=s3)
    line.fail()
    assert await storage.read(uri, settings=seaweedfs.settings) == b"original"
    assert seaweedfs.unfinished(bucket) == []

    await storage.write(uri, CONTENT, settings=seaweedfs.settings)
    line.fail(*[Fault(received=MIB)] * 100)
    with pytest.raises(errors.StorageError, match=rf"download {uri}: the connection broke off"):
        await storage.download(uri, kept, settings=s3)
    assert kept.read_bytes() == b"kept"
    assert names_in(tmp_path) == ["kept", "source"]


async def test_a_busy_store_is_asked_again(stored: str, line: Line) -> None:
    s3 = {**line.settings, **QUICK}
    line.fail(Fault("busy", received=0), Fault("busy", received=0))
    assert (await storage.stat(stored, settings=s3)).size == len(CONTENT)
    line.fail(*[Fault("busy", received=0)] * 100)
    with pytest.raises(errors.StorageError, match=r"503 .*after 1 retries; the store is busy"):
        await storage.read(stored, settings={**s3, "retries": 1})


async def test_a_timeout_mid_stream_is_retried_and_then_named(
    stored: str, line: Line, tmp_path: Path
) -> None:
    s3 = {**line.settings, **QUICK, "timeout": "300ms", "retries": "1"}
    line.fail(Fault("stall", received=2 * MIB))
    await storage.download(stored, tmp_path / "f", settings=s3)
    assert (tmp_path / "f").read_bytes() == CONTENT
    line.fail(*[Fault("stall", received=2 * MIB)] * 100)
    with pytest.raises(
        errors.StorageTimeoutError, match=rf"{stored}: the store did not answer in time"
    ):
        await storage.download(stored, tmp_path / "f", settings=s3)
    assert (tmp_path / "f").read_bytes() == CONTENT
    line.fail(*[Fault("stall", sent=MIB)] * 100)
    with pytest.raises(errors.StorageTimeoutError, match="did not answer in time after 1 retries"):
        await storage.write(stored, CONTENT[: 4 * MIB], settings=s3)


@pytest.mark.parametrize("algorithm", ["sha256", "crc64nvme"])
async def test_a_byte_that_flips_on_the_way_up_is_refused_by_the_server(
    seaweedfs: SeaweedFS, stored: str, line: Line, algorithm: str
) -> None:
    s3 = {**line.settings, **QUICK, "checksum_algorithm": algorithm}
    line.fail(*[Fault("corrupt", sent=MIB)] * 100)
    with pytest.raises(errors.DataCorruptionError, match=r"XAmzContentSHA256Mismatch|BadDigest"):
        await storage.write(stored, CONTENT[: 4 * MIB], settings=s3)
    assert await storage.read(stored, settings=seaweedfs.settings) == CONTENT
    line.fail(Fault("flip", sent=MIB))
    await storage.write(stored, CONTENT[: 4 * MIB], settings=s3)
    assert await storage.read(stored, settings=seaweedfs.settings) == CONTENT[: 4 * MIB]


async def test_a_byte_that_flips_on_the_way_down_is_fetched_again(
    stored: str, line: Line, tmp_path: Path
) -> None:
    expected = digests.digest([CONTENT])
    s3 = {**line.settings, **QUICK}
    line.fail(Fault("flip", received=3 * MIB))
    await storage.download(stored, tmp_path / "f", settings=s3, expected=expected)
    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(
    seaweedfs: SeaweedFS, stored: str
) -> None:
    async with await storage.reader(stored, settings=seaweedfs.settings) as file:
        first = await file.read(10)
        await storage.write(stored, CONTENT[::-1], settings=seaweedfs.settings)
        with pytest.raises(errors.StorageError, match=rf"{stored}.*was replaced meanwhile"):
            await file.read()
    assert first == CONTENT[:10]
    with storage.sync_reader(stored, settings=seaweedfs.settings) as blocking:
        blocking.read(10)
        await storage.write(stored, CONTENT, settings=seaweedfs.settings)
        with pytest.raises(errors.StorageError, match="was replaced meanwhile"):
            blocking.read()


async def test_no_server_is_an_error_with_a_next_step(line: Line) -> None:
    with Line(line.port) as gone:
        pass
    with pytest.raises(errors.StorageError, match=r"Connection refused.*check the endpoint"):
        await storage.read("s3://some-bucket/x", settings={**gone.settings, "retries": 0})
