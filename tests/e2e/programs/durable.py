"""A parent with recorded steps, finished children and children in flight: something to kill."""

import asyncio
import random

from marking import mark, mark_pid, until_there

import flyte

env = flyte.TaskEnvironment(name="durable")


@flyte.trace
async def step(marks: str, n: int) -> float:
    """A value that nobody can compute again."""
    value = random.random()
    mark(marks, f"step-{n}", value)
    return value


@env.task
async def child(marks: str, n: int) -> int:
    mark(marks, f"child-{n}")
    return n * n


@env.task
async def in_flight(marks: str, n: int) -> int:
    mark(marks, f"in-flight-{n}")
    mark_pid(marks, "in-flight")
    await until_there(marks, "go")
    return -n


@env.task
async def parent(marks: str) -> tuple[list[float], list[int]]:
    mark_pid(marks, "parent")
    steps = [await step(marks, n) for n in range(3)]
    before = await asyncio.gather(*(child(marks, n) for n in range(3)))
    during = await asyncio.gather(*(in_flight(marks, n) for n in range(2)))
    after = [await step(marks, 3), await child(marks, 3)]
    return [*steps, after[0]], [*before, *during, after[1]]


@env.task
async def brief(marks: str, n: int) -> int:
    await asyncio.sleep(0.1)
    mark(marks, "done", n)
    return n


@env.task
async def many(marks: str, n: int) -> int:
    return sum(await asyncio.gather(*(brief(marks, i) for i in range(n))))
