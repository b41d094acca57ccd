"""Where data goes, and what has to be copied before its address may travel."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.runtime import FakeRuntime

from flyte import _session, errors, storage
from flyte._context import RawDataPath
from flyte._session import Session
from flyte.io import _origins, _place
from flyte.io._origins import Origin

REMOTE = Session(endpoint="http://127.0.0.1:1")
EMBEDDED = Session(endpoint="local")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def in_task(tmp_path: Path) -> Iterator[Path]:
    run = tmp_path / "run"
    with FakeRuntime().task(raw_data_path=RawDataPath(f"{run}/raw"), run_base_dir=str(run)):
        yield run


@pytest.fixture
def in_local_task(flyte_home: Path) -> Iterator[Path]:
    run = flyte_home / "local" / "r1"
    with FakeRuntime().task(
        raw_data_path=RawDataPath(f"{run}/raw"), run_base_dir=str(run), mode="local"
    ):
        yield run


def made(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return str(path)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --- addresses


def test_in_a_task_new_data_goes_to_its_raw_data(in_task: Path) -> None:
    assert _place.new_address("x.csv").startswith(f"{in_task}/raw/")
    assert _place.named_address("x.csv") == f"{in_task}/raw/named/a0/x.csv"


def test_in_object_stores_addresses_stay_addresses() -> None:
    with FakeRuntime().task(raw_data_path=RawDataPath("s3://bucket/raw/")):
        assert _place.new_address("a/x.csv").startswith("s3://bucket/raw/r")
        assert _place.new_address("a/x.csv").endswith("/a/x.csv")


def test_in_a_script_new_data_goes_to_the_home(flyte_home: Path) -> None:
    assert _place.new_address("x").startswith(f"{flyte_home}/local/files/")
    assert _place.named_address("x") == f"{flyte_home}/local/files/named/x"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("s3://b/a/x.csv", "x.csv"),
        ("s3://b/a/", "a"),
        ("/a/b", "b"),
        ("b", "b"),
        ("/", ""),
        ("file:///a/x", "x"),
    ],
)
def test_last_part(address: str, name: str) -> None:
    assert _place.last_part(address) == name


def test_private_paths_are_where_nobody_minds(
    work: Path, flyte_home: Path, in_local_task: Path
) -> None:
    assert _place.private_path("x").is_relative_to(in_local_task)
    with FakeRuntime().task():
        assert _place.private_path("x").is_relative_to(work)


# --- what must be copied


@pytest.mark.parametrize("origin", [Origin.STORED, Origin.REFERRED, Origin.NAMED])
def test_addresses_of_object_stores_stay(origin: Origin) -> None:
    for session in (Session(), REMOTE):
        with _session.using(session):
            assert not _origins.must_copy("s3://b/x", origin)


def test_in_a_task_what_lies_in_the_working_directory_is_copied(
    in_task: Path, work: Path, tmp_path: Path
) -> None:
    local, elsewhere = made(work / "x"), made(tmp_path / "mounted" / "x")
    stored = made(in_task / "raw" / "x")
    assert _origins.must_copy(local, Origin.NAMED)
    assert _origins.must_copy("x", Origin.NAMED)
    assert _origins.must_copy(local, Origin.REFERRED)
    assert _origins.must_copy(elsewhere, Origin.NAMED)
    assert not _origins.must_copy(elsewhere, Origin.REFERRED)
    assert not _origins.must_copy(f"file://{elsewhere}", Origin.NAMED)
    for origin in (Origin.NAMED, Origin.REFERRED, Origin.STORED):
        assert not _origins.must_copy(stored, origin)


def test_in_a_task_a_path_that_is_nowhere_is_tried_and_fails(in_task: Path, work: Path) -> None:
    assert _origins.must_copy("nowhere", Origin.NAMED)
    # What another task will write is no mistake.
    assert not _origins.must_copy(f"{in_task}/raw/later", Origin.NAMED)


def test_data_of_the_control_plane_of_this_machine_stays(in_task: Path, flyte_home: Path) -> None:
    stored = made(flyte_home / "data" / "uploads" / "x")
    assert not _origins.must_copy(stored, Origin.NAMED)


def test_in_this_process_what_the_user_has_stays(
    in_local_task: Path, work: Path, flyte_home: Path
) -> None:
    assert not _origins.must_copy(made(work / "x"), Origin.REFERRED)
    assert _origins.must_copy(made(work / "y"), Origin.NAMED)
    assert not _origins.must_copy(made(flyte_home / "local" / "files" / "x"), Origin.NAMED)


def test_a_client_sends_what_the_control_plane_does_not_see(work: Path, flyte_home: Path) -> None:
    here, of_scripts = made(work / "x"), made(flyte_home / "local" / "files" / "x")
    with _session.using(REMOTE):
        assert _origins.must_copy(here, Origin.REFERRED)
        assert _origins.must_copy(of_scripts, Origin.STORED)
        assert not _origins.must_copy("/on/another/machine", Origin.NAMED)
        assert not _origins.must_copy("/on/another/machine", Origin.REFERRED)
    with _session.using(EMBEDDED):
        assert not _origins.must_copy(here, Origin.REFERRED)
        assert _origins.must_copy(here, Origin.NAMED)
        assert _origins.must_copy(of_scripts, Origin.STORED)


def test_links_are_for_clients_only(in_task: Path) -> None:
    with _session.using(REMOTE):
        assert not _place.is_elsewhere("/on/another/machine")
        assert not _place.sends()


# --- making files


async def test_a_new_file_is_written_once_in_its_place(in_task: Path) -> None:
    async with _place.new_file("a/t.bin") as draft:
        assert draft.path.is_relative_to(in_task)
        draft.path.write_bytes(b"table")
    stored = draft.stored
    assert stored is not None
    assert stored.uri.endswith("/a/t.bin")
    assert await storage.read(stored.uri) == b"table"
    assert stored.size == 5
    assert stored.hash.startswith("xxh3-128:")


async def test_a_new_file_that_fails_leaves_nothing(in_task: Path) -> None:
    async def fail() -> None:
        async with _place.new_file("t.bin") as draft:
            draft.path.write_bytes(b"half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        await fail()
    assert files(in_task) == []


async def test_local_copy_of_a_local_file_is_itself(tmp_path: Path) -> None:
    path = made(tmp_path / "x")
    async with _place.local_copy(path) as found:
        assert str(found) == path
    async with _place.local_copy(f"file://{path}") as found:
        assert str(found) == path


async def test_local_copy_of_an_object_goes_away() -> None:
    await storage.write("memory://bucket/x", b"content")
    async with _place.local_copy("memory://bucket/x") as found:
        assert await storage.read(str(found)) == b"content"
    assert not await storage.exists(str(found))


async def test_fetch_checks(tmp_path: Path) -> None:
    source = made(tmp_path / "x")
    with pytest.raises(errors.DataCorruptionError):
        await _place.fetch(source, tmp_path / "y", expected="0" * 32)
    assert not (tmp_path / "y").exists()
