"""A program for the official `flyte` package: it runs in that package's own virtual environment, not in ours."""

import asyncio
import pathlib

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="witness")


def count(marker: str, name: str) -> int:
    """Append one line to `marker/name` and return how many there are: executions that really happened."""
    path = pathlib.Path(marker) / name
    with path.open("a") as file:
        file.write("x\n")
    return len(path.read_text().splitlines())


@flyte.trace
async def halve(x: int, marker: str) -> float:
    count(marker, f"halve-{x}")
    return x / 2


@env.task
async def square(x: int) -> int:
    print(f"squaring {x}")
    return x * x


@env.task
async def sum_of_squares(n: int) -> int:
    return sum(await asyncio.gather(*(square(x) for x in range(n))))


@env.task
async def broken(x: int) -> int:
    raise ValueError(f"cannot do {x}")


@env.task(retries=2)
async def flaky(marker: str) -> int:
    tries = count(marker, "flaky")
    if tries < 3:
        raise RuntimeError(f"try {tries}")
    return tries


@env.task
async def main(n: int, marker: str) -> str:
    total, tries = await asyncio.gather(sum_of_squares(n), flaky(marker))
    half = await halve(total, marker)
    try:
        await broken(n)
    except flyte.errors.RuntimeUserError as error:
        caught = error.code
    else:
        caught = "nothing"
    print("all done")
    return f"total={total} tries={tries} half={half} caught={caught}"
