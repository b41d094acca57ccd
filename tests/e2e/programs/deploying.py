"""Two environments, of which one calls the other's tasks as they are deployed."""

import asyncio
from dataclasses import dataclass
from enum import Enum

from marking import mark, mark_pid, until_there

import flyte
from flyte.remote import Task

FACTOR = 2
"""Edited by the test, for another version of the code."""


class Mood(Enum):
    CALM = "calm"
    LOUD = "loud"


@dataclass
class Point:
    x: int
    y: int = 7


tools = flyte.TaskEnvironment(name="deployed_tools")


@tools.task
def scale(n: int) -> int:
    """A number, larger."""
    return n * FACTOR


@tools.task
async def slow_scale(marks: str, n: int) -> int:
    mark(marks, f"slow-{n}")
    mark_pid(marks, "slow")
    await until_there(marks, "go")
    return n * FACTOR


@tools.task
def describe(
    point: Point, points: list[Point], mood: Mood = Mood.CALM, note: str | None = None
) -> str:
    return f"{point.x}/{point.y} {[p.x for p in points]} {mood.value} {note}"


app = flyte.TaskEnvironment(name="deployed_app", depends_on=[tools])


@app.task(entrypoint=True)
async def main(n: int) -> int:
    """Scales a number as the tools do that were deployed together with this."""
    return await Task.get("deployed_tools.scale", auto_version="current")(n=n)


@app.task
async def latest(n: int) -> int:
    remote = Task.get("deployed_tools.scale", auto_version="latest")
    return sum(await asyncio.gather(remote(n=n), remote(n=n + 1), scale.aio(n)))


@app.task
async def waiting(marks: str, n: int) -> int:
    mark_pid(marks, "caller")
    remote = Task.get("deployed_tools.slow_scale", auto_version="current")
    with flyte.group("slow ones"):
        both = await asyncio.gather(remote(marks=marks, n=n), remote(marks=marks, n=n + 1))
    quick = await Task.get("deployed_tools.scale", auto_version="current")(n=n)
    return sum(both) + quick


@app.task
async def records() -> str:
    remote = Task.get("deployed_tools.describe", auto_version="current")
    changed = await remote.override.aio(retries=1, short_name="described")
    return await changed(point=Point(1), points=[Point(2), Point(3, 4)], mood=Mood.LOUD)


@app.task
async def missing() -> None:
    await Task.get("deployed_tools.scaled", auto_version="latest")(n=1)
