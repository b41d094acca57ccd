"""One program with all that a task says to a control plane, for tests of what the client sends."""

import asyncio
import datetime
import os
import tempfile
from pathlib import Path

import flyte
import flyte.errors
import flyte.report
from flyte.io import File

env = flyte.TaskEnvironment(
    name="everything", env_vars={"COLOR": "blue"}, resources=flyte.Resources(cpu=(0.1, 1))
)
tries = Path(tempfile.gettempdir()) / f"everything-{os.environ.get('RUN_NAME', 'local')}"


@flyte.trace
async def traced(x: int) -> int:
    return x * 2


@flyte.trace
async def failing_trace() -> int:
    raise ValueError("traced")


@env.task
async def child(x: int) -> int:
    return await traced(x) + 1


@env.task(cache="auto")
async def cached(x: int) -> int:
    return x


@env.task(retries=2)
async def second_time(run: str) -> str:
    if flyte.ctx().attempt_number == 0:
        raise RuntimeError("the first time")
    return "done"


@env.task(timeout=datetime.timedelta(seconds=60))
async def fails() -> int:
    raise ValueError("on purpose")


@env.task
async def slow() -> None:
    await asyncio.sleep(60)


@env.task(report=True)
async def main(n: int = 3, data: File | None = None) -> list[int]:
    with flyte.group("children"):
        found = await asyncio.gather(*(child(i) for i in range(n)))
    for call in (fails, failing_trace):
        try:
            await call()
        except (flyte.errors.RuntimeUserError, ValueError):
            found.append(-1)
    waiting = asyncio.create_task(slow())
    await asyncio.sleep(0.2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await second_time("x")
    found.append(await cached(7))
    local = Path(tempfile.mkdtemp()) / "f.txt"
    local.write_text("text")
    kept = await File.from_local(str(local))
    async with kept.open("rb") as file:
        found.append(len(await file.read()))
    flyte.report.log("<p>done</p>")
    await flyte.report.flush.aio()
    return found
