"""Tasks that say nothing for long, in all the ways in which a live process can be silent."""

import asyncio
import ctypes
import time

from marking import mark, mark_pid, until_there

import flyte

env = flyte.TaskEnvironment(name="holding")


@env.task
async def waiting(marks: str, n: int = 0) -> int:
    """Goes on until it is told to end."""
    mark_pid(marks, f"waiting-{n}")
    await until_there(marks, "go")
    mark(marks, f"waited-{n}")
    return n


@env.task
async def several(marks: str, n: int) -> list[int]:
    return list(await asyncio.gather(*(waiting(marks, i) for i in range(n))))


@env.task
async def blocks_its_loop(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - what users do
    return "blocked"


@env.task
def holds_the_lock(seconds: int) -> str:
    """No other thread of the process runs any Python meanwhile."""
    ctypes.PyDLL(None).sleep(seconds)
    return "held"


@env.task
async def silent(seconds: int) -> list[str]:
    """A parent whose children are silent, and which is so itself."""
    children = asyncio.gather(blocks_its_loop(float(seconds)), holds_the_lock.aio(seconds))
    await asyncio.sleep(0.5)  # the children are on their way
    time.sleep(seconds)  # noqa: ASYNC251 - what users do
    return list(await children)
