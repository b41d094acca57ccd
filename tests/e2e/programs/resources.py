"""Tasks that ask for parts of the machine."""

import asyncio
import os

from marking import mark, until_there

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="plain")
one = flyte.TaskEnvironment(name="one", resources=flyte.Resources(cpu=1))
half = flyte.TaskEnvironment(name="half", resources=flyte.Resources(cpu="600m"))
eight = flyte.TaskEnvironment(name="eight", resources=flyte.Resources(cpu=8))
t4 = flyte.TaskEnvironment(name="t4", resources=flyte.Resources(gpu="T4:1"))


@one.task
async def level(n: int) -> int:
    return n if n == 0 else await level(n - 1)


@half.task
async def held(marks: str, n: int) -> int:
    mark(marks, f"held-{n}")
    await until_there(marks, "go")
    return n


@env.task
async def two(marks: str) -> list[int]:
    return list(await asyncio.gather(held(marks, 0), held(marks, 1)))


@eight.task
async def large() -> int:
    return 1


@t4.task
async def accelerated() -> int:
    return 1


@env.task
async def calls_large() -> str:
    try:
        await large()
    except flyte.errors.CannotScheduleError as error:
        return f"{error.code}: {error}"
    return "it ran"


@env.task
async def shown() -> dict[str, str]:
    """What it sees of the machine's accelerators."""
    names = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
    return {name: os.environ.get(name, "not set") for name in names}
