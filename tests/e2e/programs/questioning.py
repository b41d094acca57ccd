"""Tasks that ask somebody."""

import asyncio
from pathlib import Path

import flyte

env = flyte.TaskEnvironment(name="questioning")


def mark(marks: str, name: str) -> None:
    with (Path(marks) / name).open("a") as file:
        file.write("x\n")


@env.task
async def double(x: int, marks: str) -> int:
    mark(marks, "double")
    return 2 * x


@env.task
async def both(marks: str) -> str:
    """Two questions at once, after a child that must not run again."""
    mark(marks, "both")
    found = await double(4, marks)
    approve = await flyte.new_condition.aio("approve", prompt="Go?")
    amount = await flyte.new_condition.aio("amount", prompt="How many?", data_type=int)
    is_approved, number = await asyncio.gather(approve.wait.aio(), amount.wait.aio())
    return f"{is_approved} {found + number}"


@env.task
def plain(marks: str) -> float:
    """A plain function waits in place."""
    mark(marks, "plain")
    return flyte.new_condition("rate", data_type=float).wait() * 2


@env.task
async def late() -> str:
    condition = await flyte.new_condition.aio("late", data_type=str, timeout=0.5)
    try:
        return await condition.wait.aio()
    except flyte.errors.ConditionTimedoutError as error:
        return f"late: {error}"


@env.task
async def twice() -> str:
    await flyte.new_condition.aio("same")
    try:
        await flyte.new_condition.aio("same")
    except flyte.errors.ConditionAlreadyExistsError as error:
        return str(error)
    return "nobody noticed"


@env.task
async def busy(marks: str) -> str:
    """Something goes on beside the waiting: the process must stay."""
    mark(marks, "busy")
    condition = await flyte.new_condition.aio("approve")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    ticking = asyncio.create_task(tick())
    answer = await condition.wait.aio()
    ticking.cancel()
    return f"{answer} {ticks > 0}"
