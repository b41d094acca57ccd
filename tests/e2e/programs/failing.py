"""Every way to fail, each in a task of its own."""

import asyncio
import ctypes
import errno
import os
import signal
import threading
import time
from typing import Any

from marking import mark_pid

import flyte

env = flyte.TaskEnvironment(name="failing")
small = flyte.TaskEnvironment(name="small", resources=flyte.Resources(memory="256Mi"))
tight = flyte.TaskEnvironment(name="tight", resources=flyte.Resources(disk="16Mi"))
huge = flyte.TaskEnvironment(name="huge", resources=flyte.Resources(memory="900Ti"))


def deeper(n: int) -> int:
    secret_key = "xyzzy"  # noqa: F841 - must not be shown
    rows = list(range(n))
    return rows[n]


@env.task
async def raises() -> int:
    """An exception with a note and a cause."""
    try:
        return deeper(1000)
    except IndexError as error:
        problem = ValueError("no rows")
        problem.add_note("on 2026-01-01")
        raise problem from error


@env.task
async def unserializable() -> dict[str, Any]:
    return {"model": {"lock": threading.Lock()}}


@small.task
async def out_of_memory() -> int:
    held = [bytearray(16 * 1024 * 1024) for _ in range(64)]
    await asyncio.sleep(60)
    return len(held)


@env.task
async def crashes() -> int:
    return ctypes.string_at(0)[0]


@env.task
async def killed() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 1


@env.task(timeout=2)
async def awaits_too_long() -> int:
    await asyncio.sleep(60)
    return 1


@env.task(timeout=2)
def computes_too_long() -> int:
    while True:
        time.sleep(0.01)


@tight.task
async def disk_full() -> int:
    with open("big", "wb") as file:  # noqa: ASYNC230, PTH123 - what users do
        for _ in range(64):
            file.write(b"x" * 1024 * 1024)
            file.flush()
            await asyncio.sleep(0.05)
    await asyncio.sleep(60)
    return 1


@env.task
async def no_space() -> int:
    raise OSError(errno.ENOSPC, "No space left on device", "/data/big")


@huge.task
async def cannot_be_scheduled() -> int:
    return 1


@env.task
async def waits(marks: str) -> int:
    mark_pid(marks, "waits")
    await asyncio.sleep(600)
    return 1


@env.task
async def leaf(n: int) -> int:
    return deeper(n)


@env.task
async def middle(n: int) -> int:
    return await leaf(n)


@env.task
async def root(n: int) -> int:
    return await middle(n)


@env.task
async def group(n: int) -> int:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(leaf(n))
    return n


@env.task
async def catches() -> list[str]:
    """The classes and codes under which a parent gets what its children failed with."""
    seen: list[str] = []
    for task in (
        raises,
        unserializable,
        crashes,
        killed,
        awaits_too_long,
        no_space,
        leaves_nothing,
    ):
        try:
            await task.override(retries=flyte.RetryStrategy(count=0))()
        except flyte.errors.BaseRuntimeError as error:
            seen.append(f"{type(error).__name__}: {error.code}")
    return seen


@env.task
async def leaves_nothing() -> int:
    os._exit(0)


@env.task
async def blocks(seconds: float) -> int:
    """Blocks its event loop, after a while in which it does not."""
    await asyncio.sleep(1.5)
    time.sleep(seconds)  # noqa: ASYNC251 - that is what is to be reported
    return 1
