"""Pools of replicas on a real control plane: which there are, when they grow, and when they go."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.plane import Ended, Marks, Plane, gone
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
import flyte

policy = flyte.ReusePolicy(replicas=(0, 2), idle_ttl=30, scaledown_ttl=30)
pool = flyte.TaskEnvironment("pool", reusable=policy)
driver = flyte.TaskEnvironment("driver", depends_on=[pool])


@pool.task
async def held(folder: str, x: int) -> str:
    with (Path(folder) / f"began-{x}").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    while not (Path(folder) / "go").exists():
        await asyncio.sleep(0.02)
    return "VERSION"


@driver.task
async def main(folder: str, n: int) -> list[str]:
    return await asyncio.gather(*(held(folder, x) for x in range(n)))
"""


@pytest.fixture
def plane(flyte_home: Path) -> Iterator[Plane]:
    made = Plane(flyte_home)
    made.start()
    yield made
    made.shut_down()


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path / "marks")


def program(tmp_path: Path, version: str) -> Path:
    path = tmp_path / "pooled.py"
    path.write_text(PROGRAM.replace("VERSION", version))
    return path


def records(plane: Plane) -> list[dict[str, object]]:
    """What the control plane has written about its replicas."""
    return [json.loads(path.read_text()) for path in (plane.home / "replicas").glob("*.json")]


def test_a_change_of_the_code_is_another_pool(plane: Plane, marks: Marks, tmp_path: Path) -> None:
    marks.put("go")
    for version in ("old", "new"):
        ended = plane.run(program(tmp_path, version), "main", "--folder", str(marks), "--n", "1")
        assert ended.outputs == {"o0": [version]}, ended
    assert len({record["pool_key"] for record in records(plane)}) == 2


def test_a_stopped_replica_is_ended_and_its_attempt_tried_again(
    plane: Plane, marks: Marks, tmp_path: Path
) -> None:
    file = program(tmp_path, "v1")
    running = plane.begin(file, "main", "--folder", str(marks), "--n", "2", name="r1")
    wait_until(lambda: marks.lines("began-0") and marks.lines("began-1"), timeout_seconds=90)
    victim = int(marks.lines("began-0")[0])
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: gone(victim), timeout_seconds=60)
    wait_until(lambda: len(marks.lines("began-0")) == 2, timeout_seconds=60)
    marks.put("go")
    assert Ended.waited_for(running, 90).outputs == {"o0": ["v1", "v1"]}
    assert len(marks.lines("began-1")) == 1, "the other replica's attempt went on"


def test_a_pool_that_idles_goes(plane: Plane, marks: Marks, tmp_path: Path) -> None:
    marks.put("go")
    ended = plane.run(program(tmp_path, "v1"), "main", "--folder", str(marks), "--n", "4")
    assert ended.outputs == {"o0": 4 * ["v1"]}, ended
    pids = [int(str(record["pid"])) for record in records(plane)]
    assert len(pids) == 2
    wait_until(lambda: all(gone(pid) for pid in pids), timeout_seconds=90)
    wait_until(lambda: records(plane) == [], timeout_seconds=30)
