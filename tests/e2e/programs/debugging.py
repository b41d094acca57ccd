"""Tasks that go wrong, for somebody who looks at them in a debugger."""

import asyncio
import time
from pathlib import Path

import flyte

env = flyte.TaskEnvironment("debugging")


def _count(marks: str, name: str) -> None:
    with Path(marks, name).open("a") as file:
        file.write("executed\n")


@env.task
async def double(marks: str, x: int) -> int:
    _count(marks, "double")
    return 2 * x


@flyte.trace
async def noted(marks: str, x: int) -> int:
    _count(marks, "noted")
    return x


@env.task(retries=1, timeout=20)
async def divide(marks: str, n: int) -> float:
    _count(marks, "divide")
    twice = await double(marks, n)
    seen = await noted(marks, 5)
    zero = twice - 2 * n
    return seen / zero


@env.task
async def outer(marks: str, n: int = 3) -> float:
    first = await double(marks, n + 1)
    return await divide(marks, n) + first


@env.task
async def large(marks: str) -> int:
    block = b"x" * 3_000_000
    size = await measured(marks, block)
    raise ValueError(f"{size} bytes are too many")


@env.task
async def measured(marks: str, block: bytes) -> int:
    _count(marks, "measured")
    return len(block)


@env.task(timeout=1)
async def slow() -> str:
    await asyncio.sleep(0)
    time.sleep(1.5)  # noqa: ASYNC251 - a person at a prompt blocks the loop as well
    await asyncio.sleep(0)
    return "had all the time"


@env.task
def stops(n: int = 3) -> int:
    kept = n + 1
    breakpoint()  # noqa: T100
    return kept


@env.task
def fine(n: int = 3) -> int:
    return n
