"""A run that is in the middle of something when the disk fills up."""

import asyncio

from marking import mark, until_there

import flyte

env = flyte.TaskEnvironment(name="room")


@env.task
async def compute(marks: str, n: int) -> int:
    mark(marks, f"computed-{n}")
    await until_there(marks, "go")
    return n * n


@env.task
async def main(marks: str, count: int) -> list[int]:
    return list(await asyncio.gather(*(compute(marks, n) for n in range(count))))
