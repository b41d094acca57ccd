"""A run that fails in the middle of a nested fan-out, with traces and groups: something to correct and recover."""

import asyncio

from marking import mark

import flyte

env = flyte.TaskEnvironment(name="broken")


@flyte.trace
async def prepared(marks: str, n: int) -> int:
    mark(marks, f"trace-{n}")
    return n


@env.task
async def leaf(marks: str, n: int) -> int:
    mark(marks, f"leaf-{n}")
    if n == 11:
        raise ValueError("leaf 11 is broken")  # corrected by the test
    return n


@env.task
async def branch(marks: str, n: int) -> int:
    mark(marks, f"branch-{n}")
    start = await prepared(marks, n)
    with flyte.group(f"leaves of {n}"):
        first = await leaf(marks, 10 * n)
        second = await leaf(marks, 10 * n + 1)
    third = await leaf(marks, 10 * n + 2)
    return start + first + second + third


@env.task
async def last(marks: str, total: int) -> int:
    mark(marks, "last")
    return total


@env.task
async def main(marks: str, n: int = 3) -> int:
    mark(marks, "main")
    await prepared(marks, 99)
    done = await branch(marks, 0)
    rest = await asyncio.gather(*(branch(marks, i) for i in range(1, n)), return_exceptions=True)
    for each in rest:
        if isinstance(each, BaseException):
            raise each
    return await last(marks, done + sum(rest))
