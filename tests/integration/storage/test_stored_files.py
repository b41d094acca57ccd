"""`File` and `Dir` in a real S3 store, with the session's settings and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store
from tests.fakes.runtime import FakeRuntime
from tests.storage_servers import KEY, SECRET, SeaweedFS

from flyte import _session, errors
from flyte._context import RawDataPath
from flyte._session import Session
from flyte.io import Dir, File
from flyte.storage import S3

LARGE = bytes(range(256)) * 80_000


@pytest.fixture
def raw(seaweedfs: SeaweedFS, bucket: str) -> Iterator[str]:
    """The raw data of the task in which the test runs."""
    store = S3(
        endpoint=seaweedfs.endpoint,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
    )
    with (
        _session.using(Session(storage=store)),
        FakeRuntime().task(raw_data_path=RawDataPath(f"s3://{bucket}/raw")),
    ):
        yield f"s3://{bucket}/raw/"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.bin"
    path.write_bytes(LARGE)
    return path


def content(path: str | Path) -> bytes:
    return Path(path).read_bytes()


async def test_a_file_goes_there_and_comes_back(raw: str, source: Path, tmp_path: Path) -> None:
    file = await File.from_local(source)
    assert file.path.startswith(raw)
    assert await file.exists()
    assert content(await file.download(tmp_path / "copy")) == LARGE
    async with file.open() as reader:
        await reader.seek(-3, 2)
        assert await reader.read() == LARGE[-3:]
    with file.open_sync() as blocking:
        assert blocking.read() == LARGE
    written = File.new_remote("y.txt.gz")
    async with written.open("w", compression="infer") as out:
        await out.write("text")
    with written.open_sync("r", compression="infer") as lines:
        assert lines.read() == "text"


async def test_a_failing_writer_leaves_nothing(raw: str, seaweedfs: SeaweedFS, bucket: str) -> None:
    async def fail(file: File) -> None:
        async with file.open("wb") as out:
            await out.write(LARGE)
            raise RuntimeError("halfway")

    def fail_blocking(file: File) -> None:
        with file.open_sync("wb") as out:
            out.write(LARGE)
            raise RuntimeError("halfway")

    file = File.new_remote("x")
    with pytest.raises(RuntimeError, match="halfway"):
        await fail(file)
    with pytest.raises(RuntimeError, match="halfway"):
        fail_blocking(file)
    assert not await file.exists()
    assert seaweedfs.unfinished(bucket) == []


async def test_a_directory_goes_there_and_comes_back(raw: str, tmp_path: Path) -> None:
    tree = {"a b.txt": b"a", "b/ü.txt": b"", "b/c/d.txt": b"d"}
    for name, data in tree.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(data)
    folder = await Dir.from_local(tmp_path / "tree")
    assert [file.path.removeprefix(f"{folder.path}/") async for file in folder.walk()] == sorted(
        tree
    )
    assert [file.name for file in await folder.list_files()] == ["a b.txt"]
    copied = Path(await folder.download(tmp_path / "copy"))
    assert {name: content(copied / name) for name in tree} == tree
    assert await folder.exists()
    assert not await Dir.from_existing_remote(f"{raw}nothing").exists()


async def test_damage_is_noticed(
    raw: str, source: Path, tmp_path: Path, seaweedfs: SeaweedFS, bucket: str
) -> None:
    file = await File.from_local(source)
    store = S3Store(bucket, config=seaweedfs.settings, client_options={"allow_http": True})
    obstore.put(store, file.path.removeprefix(f"s3://{bucket}/"), LARGE[:-1])
    with pytest.raises(errors.DataCorruptionError):
        await file.download(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(errors.DataCorruptionError):
        async with file.open() as reader:
            await reader.read()
