"""Tasks that go on from their checkpoints."""

import asyncio
import os
import time
from pathlib import Path

import flyte

env = flyte.TaskEnvironment("checkpointing")


def tell(folder: str, name: str, line: str) -> None:
    with Path(folder, name).open("a") as file:
        file.write(f"{line}\n")


def checkpoint() -> flyte.Checkpoint:
    context = flyte.ctx()
    assert context is not None
    return context.checkpoint


@env.task(retries=3)
async def climb(folder: str) -> str:
    """Saves in its first attempt; fails, is killed, fails; says what it has found each time."""
    saved = checkpoint()
    found = await saved.load()
    tell(folder, "found", found.read_text() if found else "nothing")
    attempt = flyte.ctx().attempt_number
    if attempt == 0:
        await saved.save(b"step 1")
        raise RuntimeError("the first attempt fails")
    if attempt == 1:
        os.abort()
    return found.read_text() if found else ""


@env.task
async def spot(folder: str) -> list[str]:
    """Counts until the machine is taken away; saves as many files as it has counted when it hears of it."""
    saved = checkpoint()
    found = await saved.load()
    if found:
        return sorted(path.name for path in found.iterdir() if path.is_file())
    work = saved.path / "work"
    work.mkdir()
    try:
        tell(folder, "spot.pid", str(os.getpid()))
        for step in range(1000):
            (work / f"step-{step}").touch()
            await asyncio.sleep(0.05 if step > 1 else 0)
    except asyncio.CancelledError:
        await saved.save(work)
        tell(folder, "saved", "yes")
        raise
    return []


@env.task
def plain_spot(folder: str) -> str:
    """The same as a plain function, which besides fails while it is ended."""
    saved = checkpoint()
    found = saved.load_sync()
    if found:
        return found.read_text()
    try:
        tell(folder, "spot.pid", str(os.getpid()))
        time.sleep(600)
    finally:
        saved.save_sync(b"saved in finally")
        raise ValueError("what comes of being ended is not the task's failure")
    return ""


@env.task(retries=3)
async def gentle_climb(folder: str) -> str:
    """`climb` without a crash."""
    saved = checkpoint()
    found = await saved.load()
    tell(folder, "found", found.read_text() if found else "nothing")
    if flyte.ctx().attempt_number == 0:
        await saved.save(b"step 1")
    if flyte.ctx().attempt_number < 2:
        raise RuntimeError("not yet")
    return found.read_text() if found else ""


@env.task
async def steady(folder: str) -> int:
    """Saves at every step; gives the step at which it was resumed."""
    saved = checkpoint()
    found = await saved.load()
    if found:
        return int(found.read_text())
    tell(folder, "steady.pid", str(os.getpid()))
    for step in range(1000):
        await saved.save(str(step + 1).encode())
        tell(folder, "saved", str(step + 1))
        await asyncio.sleep(0.05)
    return 0
