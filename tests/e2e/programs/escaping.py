"""Tasks that try to get away: processes of every kind, and code that cleans up when it is asked to end."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from marking import mark, mark_pid

import flyte

env = flyte.TaskEnvironment(name="escaping")

_STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.chdir("/")
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""


def _sleep(marks: str, name: str) -> None:
    mark_pid(marks, name)
    time.sleep(600)


def _daemon(marks: str) -> None:
    """What daemons do, and deaf to SIGTERM; nothing is executed, so that only memory tells whose it is."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.chdir("/")
    os.closerange(0, 256)
    _sleep(marks, "daemon")


def _scatter(marks: str) -> None:
    """One process of each kind that leaves the attempt's group or session, and one that does not."""
    plain = subprocess.Popen(["sleep", "600"])
    mark(marks, "plain.pid", plain.pid)
    subprocess.Popen(
        [sys.executable, "-c", _STUBBORN, str(Path(marks) / "stubborn.pid")],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _daemon(marks)
    worker = multiprocessing.get_context("fork").Process(target=_sleep, args=(marks, "worker"))
    worker.start()


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@env.task
def scattered(marks: str) -> int:
    _scatter(marks)
    mark_pid(marks, "leader")
    time.sleep(600)
    return 0


@env.task
def scattered_once(marks: str) -> int:
    """The first attempt scatters processes and goes on; the second says which of them it still sees."""
    if flyte.ctx().attempt_number == 0:
        return scattered.func(marks)
    pids = [int(line) for path in Path(marks).glob("*.pid") for line in path.read_text().split()]
    return sum(_is_alive(pid) for pid in pids)


@env.task
async def tidy(marks: str) -> int:
    mark_pid(marks, "tidy")
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0.1)
        mark(marks, "tidied")
    return 0


@env.task
def tidy_plain(marks: str) -> int:
    mark_pid(marks, "tidy-plain")
    try:
        time.sleep(600)
    finally:
        mark(marks, "tidied-plain")
    return 0


@env.task
async def tidies(marks: str) -> list[int]:
    return await asyncio.gather(tidy(marks), tidy_plain.aio(marks))
