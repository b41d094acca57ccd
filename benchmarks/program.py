"""The tasks that the benchmarks run: trivial bodies, so that what is measured is ours."""

import asyncio
import sys
import time
from pathlib import Path

import flyte

env = flyte.TaskEnvironment(name="bench")
pool = flyte.TaskEnvironment(
    name="bench-pool", reusable=flyte.ReusePolicy(replicas=2, concurrency=32, idle_ttl=60)
)


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


@pool.task
async def reused(x: int) -> int:
    return x + 1


@env.task
async def fan_out_reused(n: int) -> float:
    """Seconds for `n` children, gathered, in processes that stay."""
    await asyncio.gather(*(reused(-x) for x in range(1, 65)))  # the processes are there now
    started = time.perf_counter()
    values = await asyncio.gather(*(reused(x) for x in range(n)))
    assert sum(values) == n * (n + 1) // 2
    return time.perf_counter() - started


@env.task
async def chain(n: int) -> float:
    """Seconds for `n` children, each waiting for the one before, each in a process of its own."""
    x = await child(0)
    started = time.perf_counter()
    for _ in range(n):
        x = await child(x)
    return time.perf_counter() - started


@env.task
async def chain_reused(n: int) -> float:
    """Seconds for `n` children, each waiting for the one before, in processes that stay."""
    x = await reused(0)
    started = time.perf_counter()
    for _ in range(n):
        x = await reused(x)
    return time.perf_counter() - started


@env.task
def lines(n: int) -> float:
    """Seconds in which `n` lines of a hundred characters were printed."""
    text = "x" * 99 + "\n"
    started = time.perf_counter()
    for _ in range(n // 1000):
        sys.stdout.write(text * 1000)
    sys.stdout.flush()
    return time.perf_counter() - started


@env.task
async def ticks(n: int) -> int:
    """The moment, ten times a second."""
    for _ in range(n):
        print(f"tick {time.time():.6f}", flush=True)
        await asyncio.sleep(0.1)
    return n


async def _in_batches(task: flyte.AsyncFunctionTaskTemplate, n: int) -> int:
    """A thousand at a time, in parents of their own: no action has more children than that."""
    done = 0
    for first in range(0, n, 10_000):
        batches = [min(1000, n - start) for start in range(first, min(first + 10_000, n), 1000)]
        done += sum(
            await asyncio.gather(*(task(size, first + i) for i, size in enumerate(batches)))
        )
        print(f"{done} of {n}", flush=True)
    return done


@env.task
async def batch(size: int, number: int) -> int:
    values = await asyncio.gather(*(child(number + x) for x in range(size)))
    return len(values)


@env.task
async def batch_reused(size: int, number: int) -> int:
    values = await asyncio.gather(*(reused(number + x) for x in range(size)))
    return len(values)


@env.task
async def soak(n: int) -> int:
    """`n` children in processes of their own."""
    return await _in_batches(batch, n)


@env.task
async def soak_reused(n: int) -> int:
    """`n` children in processes that stay."""
    return await _in_batches(batch_reused, n)


@env.task
def private_megabytes() -> float:
    """What a trivial child does not share with its host."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    )
    private = sum(int(fields[name].split()[0]) for name in ("Private_Dirty", "Private_Clean"))
    return private / 1024


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
