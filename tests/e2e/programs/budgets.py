"""Tasks that fail in every way, run out of time, and wait for places."""

import asyncio
import os
import signal
import sys
import time
from datetime import timedelta

from marking import mark, mark_pid, until_there

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="budgets")
deep = flyte.TaskEnvironment(name="deep")


@env.task
async def killed(marks: str, times: int) -> int:
    """Without retries of its own: whoever kills it is not the user."""
    attempt = flyte.ctx().attempt_number
    mark(marks, "killed")
    if attempt < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


@env.task(retries=1)
async def mixed(marks: str) -> int:
    """Fails once by itself, and is killed once."""
    attempt = flyte.ctx().attempt_number
    mark(marks, "mixed")
    if attempt == 0:
        raise ValueError("the user's own")
    if attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


@env.task(retries=5)
async def hopeless(marks: str, how: str) -> int:
    mark(marks, how)
    if how == "final":
        raise flyte.errors.NonRecoverableError("no use trying again")
    if how == "exit":
        sys.exit(3)
    if how == "system":
        raise flyte.errors.RuntimeSystemError("Busy", "the cluster is busy")
    raise flyte.errors.RuntimeUserError("Wrong", "the data is wrong")


@env.task(timeout=1)
def plain(marks: str) -> int:
    """A plain function that never comes back by itself."""
    mark_pid(marks, "plain")
    time.sleep(600)
    return 1


@env.task(timeout=flyte.Timeout(max_runtime=1))
async def blocked(marks: str) -> int:
    mark_pid(marks, "blocked")
    time.sleep(600)  # noqa: ASYNC251 - the loop is blocked, that is the point
    return 1


@env.task(timeout=1, retries=1)
async def second_try(marks: str) -> int:
    mark(marks, "second_try")
    if flyte.ctx().attempt_number == 0:
        await asyncio.sleep(600)
    return 2


@env.task(
    retries=flyte.RetryStrategy(5, flyte.Backoff(timedelta(seconds=1))),
    timeout=flyte.Timeout(deadline=2),
)
async def late(marks: str) -> int:
    mark(marks, "late")
    raise ValueError("again")


@env.task
async def endless(marks: str) -> int:
    mark_pid(marks, "endless")
    await asyncio.sleep(600)
    return 1


@env.task(timeout=2)
async def parent(marks: str) -> int:
    return await endless(marks)


@deep.task
async def level(n: int) -> int:
    return n if n == 0 else await level(n - 1)


@env.task
async def one_by_one(marks: str, n: int) -> int:
    mark(marks, f"held-{n}")
    await until_there(marks, "go")
    return n


@env.task
async def crowd(marks: str) -> list[int]:
    return list(await asyncio.gather(*(one_by_one(marks, n) for n in range(3))))


@env.task(timeout=flyte.Timeout(max_queued_time=1))
async def impatient(marks: str) -> int:
    mark(marks, "impatient")
    return 1


@env.task
async def queue_of_two(marks: str) -> list[str]:
    """Of two calls one holds the only place, the other one does not wait for long."""
    holder = asyncio.create_task(one_by_one(marks, 0))
    await until_there(marks, "held-0")
    try:
        await impatient(marks)
    except flyte.errors.MaxQueuedTimeExceededError as error:
        said = str(error)
    mark(marks, "go")
    await holder
    return [said]
