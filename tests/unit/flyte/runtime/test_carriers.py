"""Large values in a run's store."""

from pathlib import Path

import pytest

from flyte import errors
from flyte._ids import ActionID
from flyte._kit.aio import drive
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.carriers import StorageCarrier, of_attempt
from flyte.storage import digests

CONTENT = [b"head", b"x" * 3_000_000]
DIGEST = digests.digest(CONTENT)


def test_pieces_are_kept_under_their_checksum(tmp_path: Path) -> None:
    carrier = StorageCarrier(str(tmp_path))

    uri = drive(carrier.put(CONTENT, DIGEST))

    assert uri == f"{tmp_path}/large/{DIGEST}"
    assert Path(uri).read_bytes() == b"".join(CONTENT)
    assert bytes(drive(carrier.get(uri, 3_000_004))) == b"".join(CONTENT)


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    carrier = StorageCarrier(str(tmp_path))
    uri = drive(carrier.put(CONTENT, DIGEST))
    before = Path(uri).stat()

    assert drive(StorageCarrier(str(tmp_path)).put(CONTENT, DIGEST)) == uri
    assert (Path(uri).stat().st_ino, Path(uri).stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_a_file_of_another_size_is_written_anew(tmp_path: Path) -> None:
    carrier = StorageCarrier(str(tmp_path))
    uri = drive(carrier.put(CONTENT, DIGEST))
    with Path(uri).open("r+b") as file:
        file.truncate(10)

    drive(carrier.put(CONTENT, DIGEST))
    assert Path(uri).stat().st_size == 3_000_004


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_a_reader_may_write_into_what_it_got_and_changes_no_file(tmp_path: Path, size: int) -> None:
    content = b"x" * size
    carrier = StorageCarrier(str(tmp_path))
    uri = drive(carrier.put([content], digests.digest([content])))

    view = drive(carrier.get(uri, size))
    view[0] = 0
    assert Path(uri).read_bytes() == content


def test_what_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.StorageNotFoundError, match="/large/nowhere"):
        drive(StorageCarrier("").get(f"{tmp_path}/large/nowhere", 1))


@pytest.mark.parametrize(("run_base", "where"), [("/data/r1", "/data/r1"), ("", "/data/r1/a0/1")])
def test_a_worker_keeps_them_below_the_run(tmp_path: Path, run_base: str, where: str) -> None:
    arguments = TaskArguments(
        action=ActionID(name="a0"),
        inputs="",
        outputs_path=f"{tmp_path}/data/r1/a0/1",
        run_base=f"{tmp_path}{run_base}" if run_base else "",
    )
    assert drive(of_attempt(arguments).put([b"x"], "d")) == f"{tmp_path}{where}/large/d"
