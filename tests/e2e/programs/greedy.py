"""Tasks that use more than they may, each of one thing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import flyte

MIB = 2**20

env = flyte.TaskEnvironment("greedy", resources=flyte.Resources(memory="160Mi", cpu=(0.1, 0.2)))
small_disk = flyte.TaskEnvironment("small_disk", resources=flyte.Resources(disk="20Mi"))
small_shm = flyte.TaskEnvironment("small_shm", resources=flyte.Resources(shm="8Mi"))
free = flyte.TaskEnvironment("free")


@env.task
def eat(mebibytes: int) -> int:
    """Hold memory until it is killed for it, or for two looks and a half."""
    held = [b"x" * MIB for _ in range(mebibytes)]
    time.sleep(2.5)
    return len(held)


@env.task
def feed_child(mebibytes: int) -> int:
    """Have a child process that takes too much; live on, whatever becomes of it."""
    script = f"import time; held = b'x' * ({mebibytes} * {MIB}); time.sleep(600)"
    child = subprocess.run([sys.executable, "-c", script], check=False)
    time.sleep(2.5)
    return child.returncode


@env.task
def spin(seconds: float) -> list[int]:
    """Use CPU time; tell the CPUs that are ours, and how often we were held back."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass
    return [len(os.sched_getaffinity(0)), _throttled()]


def _throttled() -> int:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            told = Path(f"/sys/fs/cgroup/cpu{path}/cpu.stat").read_text().split()
            return int(told[told.index("nr_throttled") + 1])
    return 0


@free.task
def multiply() -> int:
    return _multiply()


@env.task
def multiply_bounded() -> int:
    return _multiply()


def _multiply() -> int:
    """Fork without end; what is forked sleeps."""
    while True:
        try:
            if os.fork() == 0:
                time.sleep(600)
        except OSError:
            time.sleep(0.1)


@small_disk.task
def litter(mebibytes: int, where: str) -> str:
    """Fill the disk, in the working directory or in the one of temporary files."""
    directory = Path.cwd() if where == "here" else Path(os.environ["TMPDIR"])
    with (directory / "litter").open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
    time.sleep(30 if mebibytes > 20 else 2.5)
    return str(directory)


@small_shm.task
def share(mebibytes: int) -> int:
    """Fill /dev/shm; its size in MiB."""
    with Path("/dev/shm/flyte-test").open("wb") as file:
        file.write(b"x" * (mebibytes * MIB))
    told = os.statvfs("/dev/shm")
    return told.f_blocks * told.f_frsize // MIB


@free.task
def rest(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@env.task
def rest_bounded(seconds: float, mark: str) -> float:
    Path(mark).write_text(Path("/proc/self/cgroup").read_text())
    time.sleep(seconds)
    return seconds
