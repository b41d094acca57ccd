"""The disk of the control plane fills up in the middle of a run, and is emptied again: nothing is lost."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.disks import small_disk
from tests.e2e.plane import Ended, Marks, Plane, flyte
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def disk(flyte_home: Path) -> Iterator[Path]:
    """A disk of 24 MiB, on which the control plane has its directory."""
    with small_disk(flyte_home, "24m") as folder:
        yield folder


def fill(disk: Path) -> Path:
    """Take all the room that there is."""
    filler = disk / "filler"
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={filler}", "bs=4096"], check=False, capture_output=True
    )
    return filler


def test_a_run_waits_for_room_and_ends_as_if_nothing_had_been(
    disk: Path, plane: Plane, marks: Marks
) -> None:
    run = plane.begin(
        "waiting_for_room.py", "main", "--marks", str(marks), "--count", "3", name="r"
    )
    wait_until(lambda: len(list(marks.folder.glob("computed-*"))) == 3, timeout_seconds=30)
    filler = fill(disk)
    marks.put("go")

    refused = flyte(
        "run", "waiting_for_room.py", "main", "--marks", str(marks), "--count", "1", expect=5
    )
    assert f"the disk of {disk}" in refused.stderr
    assert "is full (0 B of" in refused.stderr
    assert "make room ('flyte get storage' shows what takes it)" in refused.stderr
    root = next(iter(plane.actions("r")))
    assert root["status"]["phase"].endswith("RUNNING")
    shown = json.loads(flyte("-of", "json", "get", "storage").stdout)
    assert shown["free"] == 0

    filler.unlink()
    ended = Ended.waited_for(run)
    assert (ended.phase, ended.outputs) == ("succeeded", {"o0": [0, 1, 4]})
    assert [marks.counts()[f"computed-{n}"] for n in range(3)] == [1, 1, 1]
    assert [action["status"]["attempts"] for action in plane.actions("r")] == [1, 1, 1, 1]


def test_a_control_plane_does_not_start_without_room_and_says_so(disk: Path) -> None:
    filler = fill(disk)
    refused = flyte("start", "server", expect=1)
    assert f"the disk of {disk} is full (0 bytes are free); make room" in refused.stderr
    filler.unlink()
    flyte("start", "server")
    flyte("stop", "server")
