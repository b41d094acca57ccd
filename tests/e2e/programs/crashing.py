"""Tasks of which some survive a crash at every step, and some do not."""

import asyncio
import random
import threading
from pathlib import Path

import flyte

env = flyte.TaskEnvironment("crashing", cache="auto")

SEEN: list[int] = []


@env.task
async def double(n: int) -> int:
    return 2 * n


@env.task(retries=1)
def tenfold(n: int) -> int:
    if flyte.ctx().attempt_number == 0:
        raise RuntimeError("the first attempt fails")
    return n * 10


@flyte.trace
async def fetch(n: int) -> int:
    return n + 1


@env.task
async def clean(n: int = 2) -> int:
    with flyte.group("all"):
        parts = await asyncio.gather(*(double(i) for i in range(n)))
    return await fetch(sum(parts)) + await tenfold.aio(1)


@env.task
def plain(words: list[str]) -> int:
    return sum(tenfold(len(word)) for word in words)


@env.task
async def drawing() -> int:
    drawn = random.randrange(10**9)
    await double(drawn)
    return 1


@env.task
def count(n: int) -> int:
    with Path("counter.txt").open("a") as out:
        out.write(".")
    return n


@env.task
def counting() -> int:
    return count(1) + count(2)


@env.task
async def remember(n: int) -> int:
    SEEN.append(n)
    return n


@env.task
async def remembering() -> int:
    await remember(1)
    await remember(2)
    return len(SEEN)


@env.task
def make() -> int:
    Path("made").mkdir()
    return 1


@env.task
def making() -> int:
    return make()


@env.task
def locked() -> int:
    lock = Path("lock")
    if lock.exists():
        threading.Event().wait()
    lock.touch()
    return 1


@env.task
async def locking() -> int:
    return await locked.aio()


@env.task
async def failing() -> int:
    await double(1)
    raise ValueError("no good")


@env.task
async def unstable() -> float:
    return random.random()
