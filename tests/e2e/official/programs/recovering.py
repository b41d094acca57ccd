"""A program for the official `flyte` package that fails until the test lets it go on; counted like `program`."""

import pathlib

from program import count

import flyte

env = flyte.TaskEnvironment(name="recovering")


@flyte.trace
async def halve(x: int, marker: str) -> float:
    count(marker, f"halve-{x}")
    return x / 2


@env.task
async def step(x: int, marker: str) -> int:
    count(marker, f"step-{x}")
    if x == 2 and not (pathlib.Path(marker) / "go").exists():
        raise ValueError("not yet")
    return x


@env.task
async def main(marker: str) -> float:
    count(marker, "main")
    half = await halve(10, marker)
    total = [await step(x, marker) for x in range(4)]
    return half + sum(total)
