"""The tasks that the benchmarks run: trivial bodies, so that what is measured is ours."""

import asyncio
import time

import flyte

env = flyte.TaskEnvironment(name="bench")


@env.task
async def hello(name: str = "world") -> str:
    return f"hello {name}"


@env.task
async def child(x: int) -> int:
    return x + 1


@flyte.trace
async def step(x: int) -> int:
    return x + 1


@env.task
async def fan_out(n: int) -> float:
    """Seconds for `n` children, gathered, each in a process of its own."""
    started = time.perf_counter()
    values = await asyncio.gather(*(child(x) for x in range(n)))
    assert sum(values) == n * (n + 1) // 2
    return time.perf_counter() - started


@env.task
async def traces(n: int) -> float:
    """Seconds for `n` traced calls, one after the other."""
    started = time.perf_counter()
    for x in range(n):
        await step(x)
    return time.perf_counter() - started


@env.task
async def told(n: int) -> int:
    """`n` children, gathered; a line for each that is done."""
    done = 0
    for ended in asyncio.as_completed([child(x) for x in range(n)]):
        print(f"child gave {await ended}")
        done += 1
    return done
