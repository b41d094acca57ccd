import os
from datetime import timedelta
from pathlib import Path

from flyte._code import uploads
from flyte._kit import clock

HERE, FILE = "http://h\0p\0d", "fast1.tar.gz"


def only_note(home: Path) -> Path:
    (note,) = (home / "uploads").iterdir()
    return note


def make_older(note: Path, age: timedelta) -> None:
    then = (clock.now() - age).timestamp()
    os.utime(note, (then, then))


def test_an_upload_is_remembered_for_its_destination_only() -> None:
    uploads.remember(HERE, FILE, "s3://bucket/fast1.tar.gz")
    assert uploads.recall(HERE, FILE) == "s3://bucket/fast1.tar.gz"
    assert uploads.recall(HERE, "fast2.tar.gz") is None
    assert uploads.recall("http://h\0p\0other", FILE) is None


def test_an_upload_is_forgotten_after_a_day(flyte_home: Path) -> None:
    uploads.remember(HERE, FILE, "s3://bucket/fast1.tar.gz")
    make_older(only_note(flyte_home), uploads.LIFETIME - timedelta(minutes=1))
    assert uploads.recall(HERE, FILE) is not None
    make_older(only_note(flyte_home), uploads.LIFETIME + timedelta(minutes=1))
    assert uploads.recall(HERE, FILE) is None


def test_outdated_notes_are_removed(flyte_home: Path) -> None:
    uploads.remember(HERE, "old.tar.gz", "s3://old")
    make_older(only_note(flyte_home), timedelta(days=2))
    uploads.remember(HERE, FILE, "s3://new")
    assert only_note(flyte_home).read_text() == "s3://new"


def test_an_address_on_this_machine_counts_while_the_file_is_there(tmp_path: Path) -> None:
    for prefix in ("", "file://"):
        archive = tmp_path / "a b#1.tar.gz"
        archive.write_bytes(b"x")
        uploads.remember(HERE, FILE, f"{prefix}{archive}")
        assert uploads.recall(HERE, FILE) == f"{prefix}{archive}"
        archive.unlink()
        assert uploads.recall(HERE, FILE) is None


def test_a_home_that_cannot_be_written_costs_only_the_memory(flyte_home: Path) -> None:
    flyte_home.write_text("a file")
    uploads.remember(HERE, FILE, "s3://x")
    assert uploads.recall(HERE, FILE) is None
