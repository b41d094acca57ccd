"""Tasks that have to be ended from outside, with processes of their own."""

import asyncio
import signal
import subprocess
from datetime import timedelta

from marking import mark, mark_pid

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="stubborn")


@env.task
async def sleeper(marks: str, n: int, stubborn: bool = False) -> int:
    """Does not care for SIGTERM if `stubborn`, and neither does the process that it starts."""
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220 - what users do
    mark(marks, "helper.pid", helper.pid)
    mark_pid(marks, f"sleeper-{n}")
    await asyncio.sleep(600)
    return n


@env.task
async def middle(marks: str, n: int) -> int:
    mark_pid(marks, f"middle-{n}")
    return await sleeper(marks, n, stubborn=True)


@env.task
async def tree(marks: str) -> list[int]:
    mark_pid(marks, "tree")
    return await asyncio.gather(*(middle(marks, n) for n in range(2)))


@env.task
async def survivor(marks: str) -> str:
    """Calls something that is aborted, and goes on without it."""
    try:
        return str(await sleeper(marks, 0))
    except flyte.errors.ActionAbortedError as error:
        return f"went on after {error.code}"


@env.task(timeout=1, retries=1)
async def limited(marks: str) -> int:
    return await sleeper.forward(marks, 0)


@env.task(
    retries=flyte.RetryStrategy(
        count=2, backoff=flyte.Backoff(base=timedelta(seconds=0.4), factor=2.0)
    )
)
async def paced(marks: str) -> int:
    mark(marks, "started", asyncio.get_running_loop().time())
    if flyte.ctx().attempt_number < 2:
        raise ConnectionError("not yet")
    return flyte.ctx().attempt_number
