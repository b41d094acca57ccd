"""Checkpoints: saved whole or not at all, loaded as they were saved."""

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.support import wait_until

import flyte
from flyte import errors
from flyte._runtime.local import LocalRuntime


def folder(at: Path, **files: str) -> Path:
    for name, content in files.items():
        path = at / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return at


@pytest.fixture(params=["file", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "file" else f"memory://checkpoints/{tmp_path.name}"


def test_nothing_saved_is_nothing_to_load(base: str) -> None:
    first = flyte.Checkpoint(f"{base}/1/cp")
    assert (first.prev_exists(), first.load_sync(), first.remote_source) == (False, None, None)
    told = flyte.Checkpoint(f"{base}/2/cp", f"{base}/1/cp")
    assert told.prev_exists()
    assert told.load_sync() is None
    assert told.remote_source == f"{base}/1/cp"
    assert told.remote_destination == f"{base}/2/cp"


async def test_bytes_and_files_come_back_as_payload(base: str, tmp_path: Path) -> None:
    await flyte.Checkpoint(f"{base}/1/cp").save(b"\0progress")
    later = flyte.Checkpoint(f"{base}/2/cp", f"{base}/1/cp")
    loaded = await later.load()
    assert loaded == later.path / "payload"
    assert loaded.read_bytes() == b"\0progress"

    await later.save(folder(tmp_path / "f", model="weights") / "model")
    last = await flyte.Checkpoint("", f"{base}/2/cp").load()
    assert last is not None
    assert last.read_text() == "weights"


def test_a_folder_comes_back_as_a_folder(base: str, tmp_path: Path) -> None:
    saved = folder(tmp_path / "f", a="1", sub__last="2")
    (saved / "newest").symlink_to("sub/last")
    os.mkfifo(saved / "pipe")
    flyte.Checkpoint(f"{base}/1/cp").save_sync(str(saved))
    later = flyte.Checkpoint(f"{base}/2/cp", f"{base}/1/cp")
    assert later.load_sync() == later.path
    found = {str(path.relative_to(later.path)) for path in later.path.rglob("*")}
    assert found == {"a", "sub", "sub/last", "newest"}
    assert (later.path / "newest").read_text() == "2"
    assert flyte.latest_checkpoint(later.path, "**/last") == later.path / "sub" / "last"


def test_an_archive_that_the_user_saved_stays_one(tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder(tmp_path / "f", a="1") / "a", "a")
    flyte.Checkpoint(str(tmp_path / "cp")).save_sync(archive)
    later = flyte.Checkpoint("", str(tmp_path / "cp"))
    assert later.load_sync() == later.path / "payload"
    assert tarfile.is_tarfile(later.path / "payload")


def test_a_save_that_is_killed_in_the_middle_leaves_the_one_before(tmp_path: Path) -> None:
    place = tmp_path / "place"
    checkpoint = flyte.Checkpoint(str(place / "cp"))
    checkpoint.save_sync(b"first")
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    program = "import flyte, sys; flyte.Checkpoint(sys.argv[1]).save_sync(sys.argv[2])"
    saving = subprocess.Popen([sys.executable, "-c", program, str(place / "cp"), str(endless)])
    with endless.open("wb", buffering=0) as giving:
        giving.write(b"second")
        wait_until(lambda: len(list(place.iterdir())) == 2, timeout_seconds=60)
        saving.kill()
        saving.wait()
    assert (place / "cp").read_bytes() == b"first"


def test_what_is_not_there_cannot_be_saved(tmp_path: Path) -> None:
    checkpoint = flyte.Checkpoint(str(tmp_path / "cp"))
    checkpoint.save_sync(b"first")
    with pytest.raises(FileNotFoundError, match="nothing to save"):
        checkpoint.save_sync(tmp_path / "gone")
    assert (tmp_path / "cp").read_bytes() == b"first"


def test_a_damaged_folder_says_what_to_do(tmp_path: Path) -> None:
    flyte.Checkpoint(str(tmp_path / "cp")).save_sync(folder(tmp_path / "f", a="1" * 10_000))
    content = (tmp_path / "cp").read_bytes()
    (tmp_path / "cp").write_bytes(content[: len(content) // 2])
    with pytest.raises(errors.DataCorruptionError, match="delete it to begin anew"):
        flyte.Checkpoint("", str(tmp_path / "cp")).load_sync()


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("../escaped")
        tar.addfile(entry, io.BytesIO())
    with (
        (tmp_path / "cp").open("wb") as raw,
        gzip.GzipFile("flyte-cptar.tar", "wb", 1, raw) as file,
    ):
        file.write(packed.getvalue())
    with pytest.raises(errors.DataCorruptionError, match="cannot be unpacked"):
        flyte.Checkpoint("", str(tmp_path / "cp")).load_sync()
    assert not list(tmp_path.parent.glob("**/escaped"))


def test_the_newest_file_is_found(tmp_path: Path) -> None:
    root = folder(tmp_path, a__last="", b__last="", z="")
    os.utime(root / "a" / "last", (2000, 2000))
    os.utime(root / "b" / "last", (1000, 1000))
    assert flyte.latest_checkpoint(root, "**/last") == root / "a" / "last"
    assert flyte.latest_checkpoint(root, "**/last", key=str) == root / "b" / "last"
    assert flyte.latest_checkpoint(root, "**/none") is None
    assert flyte.latest_checkpoint(root / "gone") is None


env = flyte.TaskEnvironment("env")
seen: list[str | None] = []


@env.task(retries=3)
async def steps(saving: list[int]) -> int:
    """Fails three times; saves its number in the attempts that `saving` names."""
    context = flyte.ctx()
    assert context is not None
    previous = await context.checkpoint.load()
    seen.append(previous and previous.read_text())
    if context.attempt_number in saving:
        await context.checkpoint.save(str(context.attempt_number).encode())
    if context.attempt_number < 3:
        raise RuntimeError("not yet")
    return context.attempt_number


@pytest.mark.parametrize(
    ("saving", "expected"),
    [
        ([], [None, None, None, None]),
        ([0, 1, 2], [None, "0", "1", "2"]),
        ([0], [None, "0", "0", "0"]),  # the attempt before has saved nothing, the one before it has
    ],
)
def test_a_retry_in_this_process_goes_on_from_the_latest(
    flyte_home: Path, saving: list[int], expected: list[str | None]
) -> None:
    seen.clear()
    assert LocalRuntime().run_root(steps, {"saving": saving}) == 3
    assert seen == expected


@env.task(retries=1)
def plain() -> str:
    context = flyte.ctx()
    assert context is not None
    previous = context.checkpoint.load_sync()
    if previous is None:
        context.checkpoint.save_sync(folder(context.checkpoint.path / "made", step="7"))
        raise RuntimeError("not yet")
    return (previous / "step").read_text()


def test_a_plain_function_saves_and_loads_too(flyte_home: Path) -> None:
    assert LocalRuntime().run_root(plain, {}) == "7"
