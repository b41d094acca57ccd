"""Tasks of reusable environments."""
# ruff: noqa: ASYNC110, ASYNC240 - they wait for what their test does

import asyncio
import os
import time
import warnings
from pathlib import Path

import flyte

pool = flyte.TaskEnvironment("pool", reusable=flyte.ReusePolicy(replicas=(1, 3)))
crowd = flyte.TaskEnvironment("crowd", reusable=flyte.ReusePolicy(replicas=1, concurrency=8))
own = flyte.TaskEnvironment("own", reusable=flyte.ReusePolicy(replicas=2, scope="run"))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    single = flyte.TaskEnvironment("single", reusable=flyte.ReusePolicy(replicas=1))
driver = flyte.TaskEnvironment("driver", depends_on=[pool, crowd, own, single])


def mark(folder: str, name: str) -> None:
    with Path(folder, name).open("a") as file:
        file.write(f"{os.getpid()}\n")


def until(folder: str, name: str) -> None:
    while not Path(folder, name).exists():
        time.sleep(0.02)


@pool.task
def held(folder: str, x: int) -> int:
    """Stays until it is let go, so that all places are taken at once."""
    mark(folder, f"began-{x}")
    until(folder, "go")
    return os.getpid()


@driver.task
async def burst(folder: str, n: int) -> list[int]:
    return await asyncio.gather(*(held.aio(folder, x) for x in range(n)))


@crowd.task
async def where(x: int) -> int:
    return os.getpid()


@driver.task
async def gathered(n: int) -> int:
    """How many processes have executed n children at once."""
    return len(set(await asyncio.gather(*(where(x) for x in range(n)))))


@crowd.task
async def step(x: int) -> int:
    return x + 1


@driver.task
async def chain(n: int) -> int:
    value = 0
    for _ in range(n):
        value = await step(value)
    return value


@crowd.task
async def kinds(numbers: list[int], name: str, at: dict[str, float]) -> tuple[list[int], str]:
    print(f"{name} prints")
    return [2 * x for x in numbers], f"{name} {sorted(at)}"


@driver.task
async def both_ways() -> list[str]:
    """The same task on a replica and in a process of its own."""
    given = ([1, 2, 3], "anna", {"b": 1.5, "a": 2.0})
    apart = kinds.override(reusable="off")
    return [repr(await kinds(*given)), repr(await apart(*given))]


@crowd.task
async def depth(n: int) -> int:
    """Calls itself in its own environment, n deep."""
    return 0 if n == 0 else 1 + await depth(n - 1)


@pool.task
def plain_depth(n: int) -> int:
    return 0 if n == 0 else 1 + plain_depth(n - 1)


@single.task
async def child_of_its_own() -> int:
    return await leaf()


@single.task
async def leaf() -> int:
    return 1


@crowd.task
async def patient(folder: str) -> int:
    mark(folder, "began")
    try:
        while not Path(folder, "go").exists():
            await asyncio.sleep(0.02)
    finally:
        await asyncio.sleep(0)
        mark(folder, "cleaned")
    return os.getpid()


@crowd.task
async def deaf(folder: str) -> int:
    """Does not hear that it is cancelled."""
    mark(folder, "began")
    while not Path(folder, "go").exists():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            mark(folder, "heard")
    return 1


@crowd.task(retries=1)
async def leaves(folder: str) -> int:
    """Ends its process the first time."""
    mark(folder, "began")
    if len(Path(folder, "began").read_text().split()) == 1:
        os._exit(0)
    return 2


@flyte.trace
async def traced(folder: str, x: int) -> int:
    mark(folder, f"traced-{x}")
    return x * 10


@crowd.task(retries=1)
async def tracing(folder: str) -> int:
    total = sum([await traced(folder, x) for x in range(3)])
    mark(folder, "attempt")
    if len(Path(folder, "attempt").read_text().split()) == 1:
        raise ValueError("once more")
    return total


@own.task
async def who(folder: str) -> int:
    mark(folder, "who")
    return os.getpid()


@driver.task
async def fleet(folder: str) -> list[int]:
    return [await who(folder), await who(folder)]
