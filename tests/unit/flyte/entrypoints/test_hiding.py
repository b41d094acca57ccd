"""Secrets in the process that they are for."""

import os
from pathlib import Path

import psutil

from flyte._entrypoints import hiding


def test_variables_are_added_and_nothing_is_written_without_files() -> None:
    assert hiding.uncovered({"KEY": "value"}, {}) == {"KEY": "value"}
    assert hiding.uncovered({}, {}) == {}


def test_files_are_in_a_folder_of_the_process_until_it_ends() -> None:
    path = "/etc/flyte/secrets/cert"
    told = hiding.uncovered({"CERT": path, "KEY": "value"}, {path: "\udcff\x00binary"})
    folder = Path(told[hiding.DEFAULT_DIR])
    try:
        assert told["CERT"] == str(folder / "cert")
        assert told["KEY"] == "value"
        assert told[hiding.FILE_PREFIX] == ""
        assert (folder / "cert").read_bytes() == b"\xff\x00binary"
        assert (folder / "cert").stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        hiding.remove(os.getpid())
    assert not folder.exists()


def test_what_a_process_has_left_that_nobody_looked_after_goes_with_the_next() -> None:
    path = "/etc/flyte/secrets/cert"
    gone = max(psutil.pids()) + 100_000
    mine = Path(hiding.uncovered({}, {path: "x"})[hiding.DEFAULT_DIR])
    left = mine.with_name(mine.name.replace(str(os.getpid()), str(gone)))
    left.mkdir()
    try:
        again = Path(hiding.uncovered({}, {path: "x"})[hiding.DEFAULT_DIR])
        assert not left.exists()
        assert mine.exists()
        assert again != mine
    finally:
        hiding.remove(os.getpid())
