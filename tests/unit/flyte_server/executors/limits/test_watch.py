"""Watching real processes: what they use, what ends them, what is left of their groups."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support import eventually

from flyte_server.blobs import timelines
from flyte_server.clock import RealClock
from flyte_server.domain.needs import Bounds
from flyte_server.engine.ports import DISK_FULL, OUT_OF_MEMORY, TOO_MANY_PROCESSES, Overrun
from flyte_server.executors.common.limits import finding
from flyte_server.executors.common.limits.finding import AUTO, OFF, Unusable
from flyte_server.executors.common.limits.watch import Watch, WatchOptions
from flyte_server.executors.common.limits.watched import Subject

MIB = 2**20
BOUNDS = Bounds(memory=96 * MIB)
ENTER = "import os, sys, time\nfor d in sys.argv[1:]: open(d + '/cgroup.procs', 'w').write('0')\n"
HOLD = "time.sleep(600)\n"


def _writable(home: Path) -> str:
    """Why control groups cannot be tested here; empty if they can."""
    try:
        finding.find(home, AUTO, kind="probe").remove()
    except Unusable as reason:
        return str(reason)
    return ""


@dataclass
class Scene:
    """A watch and the processes that it looks at."""

    home: Path
    overruns: list[tuple[str, Overrun]] = field(default_factory=list)
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)

    def watch(self, cgroups: str, *, most_processes: int = 1000) -> Watch:
        options = WatchOptions(cgroups, most_processes, sample_seconds=0.05)
        watch = Watch(
            self.home,
            "tests",
            RealClock(),
            options=options,
            overrun=lambda token, overrun: self.overruns.append((token, overrun)),
        )
        watch.start()
        self.watches.append(watch)
        return watch

    def begin(
        self, watch: Watch, script: str, token: str = "t", *, bounds: Bounds = BOUNDS
    ) -> subprocess.Popen[bytes]:
        cgroups = watch.admit(token, bounds)
        command = [sys.executable, "-c", ENTER + script, *cgroups]
        process = subprocess.Popen(command, start_new_session=True, cwd=self.home)
        self.begun.append(process)
        log_path = str(self.home / "logs" / f"{token}.log")
        watch.begin(Subject(token, process.pid, bounds, cgroups, str(self.home), log_path))
        return process

    def close(self) -> None:
        for process in self.begun:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for watch in self.watches:
            for token in ("t", "other", "lost", "held"):
                watch.leave(token)
            watch.close()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    try:
        yield scene
    finally:
        scene.close()


@pytest.fixture
async def run() -> AsyncIterator[Callable[[Watch], None]]:
    """Lets watches run until the end of the test."""
    tasks: list[asyncio.Task[None]] = []
    yield lambda watch: tasks.append(asyncio.create_task(watch.run()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=[AUTO, OFF])
def cgroups(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Both mechanisms."""
    if request.param == AUTO and (reason := _writable(tmp_path)):
        pytest.skip(f"control groups cannot be written here: {reason}")
    return request.param


@pytest.fixture
def real_groups(tmp_path: Path) -> None:
    if reason := _writable(tmp_path):
        pytest.skip(f"control groups cannot be written here: {reason}")


async def test_memory_and_cpu_become_a_timeline(
    scene: Scene, run: Callable[[Watch], None], cgroups: str
) -> None:
    watch = scene.watch(cgroups)
    run(watch)
    scene.begin(watch, f"held = b'x' * (40 * {MIB})\nwhile True: pass\n")
    path = scene.home / "logs" / "t.usage"
    samples = await eventually(
        lambda: [s for s in timelines.read(path) if s.memory > 40 * MIB and s.cpu_ms > 200]
    )
    assert samples[-1].memory < 90 * MIB
    measured = watch.measured("t", peak_memory=1, cpu_seconds=0.01)
    assert measured.usage.peak_memory > 40 * MIB
    assert measured.usage.cpu_seconds > 0.2
    assert measured.overrun is None


async def test_what_has_ended_before_a_look_has_the_kernels_figures(scene: Scene) -> None:
    watch = scene.watch(OFF)
    measured = watch.measured("nobody", peak_memory=5, cpu_seconds=0.5)
    assert (measured.usage.peak_memory, measured.usage.cpu_seconds) == (5, 0.5)


@pytest.mark.usefixtures("real_groups")
async def test_the_kernel_kills_above_the_bound_of_memory(scene: Scene) -> None:
    watch = scene.watch(AUTO)
    process = scene.begin(watch, f"held = b'x' * (200 * {MIB})\n" + HOLD)
    assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
    measured = watch.measured("t", peak_memory=90 * MIB, killed=True)
    assert measured.overrun is not None
    assert measured.overrun.cause == OUT_OF_MEMORY
    assert measured.overrun.ended
    assert measured.overrun.limit == BOUNDS.memory
    assert 90 * MIB < measured.overrun.peak <= BOUNDS.memory


async def test_without_groups_a_look_finds_who_is_above_the_bound(
    scene: Scene, run: Callable[[Watch], None]
) -> None:
    watch = scene.watch(OFF)
    run(watch)
    scene.begin(watch, f"held = b'x' * (200 * {MIB})\n" + HOLD)
    await eventually(lambda: scene.overruns)
    ((token, overrun),) = scene.overruns
    assert (token, overrun.cause, overrun.limit) == ("t", OUT_OF_MEMORY, BOUNDS.memory)
    assert overrun.peak > BOUNDS.memory
    assert overrun.ended


@pytest.mark.usefixtures("real_groups")
async def test_a_child_that_was_killed_is_told_once_and_the_leader_goes_on(
    scene: Scene, run: Callable[[Watch], None]
) -> None:
    watch = scene.watch(AUTO)
    run(watch)
    child = f"[sys.executable, '-c', \"b'x' * (200 * {MIB}); import time; time.sleep(600)\"]"
    process = scene.begin(watch, f"import subprocess\nsubprocess.run({child})\n" + HOLD)
    await eventually(lambda: scene.overruns)
    assert process.poll() is None
    ((_, overrun),) = scene.overruns
    assert overrun.cause == OUT_OF_MEMORY
    assert not overrun.ended
    assert watch.measured("t").overrun == overrun


async def test_one_that_forks_without_end_is_found(
    scene: Scene, run: Callable[[Watch], None], cgroups: str
) -> None:
    watch = scene.watch(cgroups, most_processes=20)
    run(watch)
    bomb = "for _ in range(40):\n  try:\n    if os.fork() == 0: time.sleep(600)\n  except OSError: pass\n"
    process = scene.begin(watch, bomb + HOLD)
    await eventually(lambda: scene.overruns)
    ((_, overrun),) = scene.overruns
    assert (overrun.cause, overrun.limit, overrun.ended) == (TOO_MANY_PROCESSES, 20, True)
    os.killpg(process.pid, signal.SIGKILL)


async def test_one_that_fills_its_disk_is_found(scene: Scene, run: Callable[[Watch], None]) -> None:
    watch = scene.watch(OFF)
    run(watch)
    write = f"os.mkdir('d'); open('d/litter', 'wb').write(os.urandom(8 * {MIB}))\n"
    scene.begin(watch, write + HOLD, bounds=Bounds(disk=4 * MIB))
    await eventually(lambda: scene.overruns)
    ((_, overrun),) = scene.overruns
    assert (overrun.cause, overrun.limit) == (DISK_FULL, 4 * MIB)
    assert overrun.peak > 4 * MIB  # it may be seen before all of it is written


@pytest.mark.usefixtures("real_groups")
async def test_groups_are_removed_with_what_is_left_in_them(
    scene: Scene, run: Callable[[Watch], None]
) -> None:
    watch = scene.watch(AUTO)
    run(watch)
    process = scene.begin(watch, HOLD)
    directory = Path(watch.admit("t", BOUNDS)[0])
    await eventually(lambda: str(process.pid) in (directory / "cgroup.procs").read_text().split())
    watch.leave("t")
    assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
    await eventually(lambda: not directory.exists())


@pytest.mark.usefixtures("real_groups")
async def test_the_next_control_plane_sweeps_what_nobody_holds(scene: Scene) -> None:
    earlier = scene.watch(AUTO)
    lost, held = (Path(earlier.admit(token, BOUNDS)[0]) for token in ("lost", "held"))
    later = scene.watch(AUTO)
    later.sweep({"held"})
    assert not lost.exists()
    assert held.exists()


async def test_without_bounds_there_is_no_group(scene: Scene, cgroups: str) -> None:
    assert scene.watch(cgroups).admit("t", Bounds(disk=1, shm=1)) == ()


async def test_one_that_could_not_enter_its_group_is_looked_at(
    scene: Scene, run: Callable[[Watch], None]
) -> None:
    watch = scene.watch(OFF)
    run(watch)
    process = scene.begin(watch, f"held = b'x' * (200 * {MIB})\n" + HOLD, token="other")
    subject = Subject("t", process.pid, BOUNDS, cgroups=(str(scene.home / "no-group"),))
    watch.begin(subject)
    await eventually(lambda: [token for token, _ in scene.overruns if token == "t"])
