"""Objects by address, on paths and in an object store in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flyte import errors, storage
from flyte._kit import aio


@pytest.fixture(params=["path", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    prefix = "file://" if request.param == "file" else ""
    return lambda name: f"{prefix}{tmp_path}/deep/er/{name}"


def test_written_is_read_without_waiting(address: Callable[[str], str]) -> None:
    aio.drive(storage.write(address("x.pb"), b"one"))
    assert aio.drive(storage.read(address("x.pb"))) == b"one"
    assert aio.drive(storage.exists(address("x.pb")))
    assert not aio.drive(storage.exists(address("y.pb")))


def test_a_folder_exists_but_has_no_content(tmp_path: Path) -> None:
    assert aio.drive(storage.exists(str(tmp_path)))
    with pytest.raises(errors.StorageError, match="Is a directory"):
        aio.drive(storage.read(str(tmp_path)))


def test_file_addresses_are_unquoted(tmp_path: Path) -> None:
    aio.drive(storage.write(f"file://{tmp_path}/a%20b", b"1"))
    assert (tmp_path / "a b").read_bytes() == b"1"


def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    uri = str(tmp_path / "x.pb")
    aio.drive(storage.write(uri, b"one"))
    aio.drive(storage.write(uri, b"two"))
    assert aio.drive(storage.read(uri)) == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["x.pb"]


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.pb").mkdir()
    (tmp_path / "x.pb" / "kept").touch()
    with pytest.raises(errors.StorageError, match=r"x\.pb"):
        aio.drive(storage.write(str(tmp_path / "x.pb"), b"two"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pb"], "no temporary file is left"


def test_a_missing_file_is_named(address: Callable[[str], str]) -> None:
    with pytest.raises(errors.StorageError, match=r"cannot read .*gone\.pb: No such file"):
        aio.drive(storage.read(address("gone.pb")))


def test_a_file_in_the_way_of_a_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a0").touch()
    with pytest.raises(errors.StorageError, match=r"cannot write .*a0/outputs\.pb"):
        aio.drive(storage.write(str(tmp_path / "a0" / "outputs.pb"), b""))


async def test_other_schemes_go_to_an_object_store() -> None:
    uri = "memory:///bucket/runs/r1/outputs.pb"
    assert not await storage.exists(uri)
    await storage.write(uri, b"one")
    assert await storage.exists(uri)
    assert await storage.read(uri) == b"one"


async def test_a_missing_object_is_named() -> None:
    with pytest.raises(errors.StorageError, match="memory:///bucket/none"):
        await storage.read("memory:///bucket/none")


async def test_an_unknown_scheme_is_an_error_of_ours() -> None:
    with pytest.raises(errors.StorageError, match="quux://bucket/key"):
        await storage.read("quux://bucket/key")


def test_paths_are_local_and_stores_are_not() -> None:
    assert storage.is_local("/data/x")
    assert storage.is_local("file:///data/x")
    assert not storage.is_local("s3://bucket/x")


@pytest.mark.parametrize(
    ("base", "parts", "joined"),
    [
        ("/data/", ("a0", "1", "outputs.pb"), "/data/a0/1/outputs.pb"),
        ("s3://b", ("/a0/",), "s3://b/a0"),
        ("/data", (), "/data"),
    ],
)
def test_join(base: str, parts: tuple[str, ...], joined: str) -> None:
    assert storage.join(base, *parts) == joined
