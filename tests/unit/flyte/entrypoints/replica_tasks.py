"""Tasks for replicas; not imported by the tests themselves."""
# ruff: noqa: ASYNC110, ASYNC240, ASYNC251, F841, PTH109, RUF006 - what user code does

import asyncio
import contextvars
import os
import sys
import time
from pathlib import Path

import flyte

env = flyte.TaskEnvironment("env")
var = contextvars.ContextVar("var", default="unset")


@env.task
async def add(x: int) -> int:
    return x + 1


@env.task
def add_plain(x: int) -> int:
    return x + 1


@env.task
def own_loop(x: int) -> int:
    return asyncio.run(_later(x))


async def _later(x):
    await asyncio.sleep(0)
    return x + 1


@env.task
async def pid() -> int:
    return os.getpid()


@env.task
async def meet(folder: str, name: str, other: str) -> int:
    Path(folder, name).touch()
    while not Path(folder, other).exists():
        await asyncio.sleep(0.01)
    return os.getpid()


@env.task
def meet_plain(folder: str, name: str, other: str) -> int:
    Path(folder, name).touch()
    while not Path(folder, other).exists():
        time.sleep(0.01)
    return os.getpid()


@env.task
async def wait_for(folder: str, name: str) -> str:
    Path(folder, "began").touch()
    try:
        while not Path(folder, name).exists():
            await asyncio.sleep(0.01)
    finally:
        await asyncio.sleep(0)
        Path(folder, "cleaned").touch()
    return "done"


@env.task
def wait_for_plain(folder: str, name: str) -> str:
    Path(folder, "began").touch()
    try:
        while not Path(folder, name).exists():
            time.sleep(0.01)
    finally:
        Path(folder, "cleaned").touch()
    return "done"


@env.task
def block_loop(folder: str, seconds: float) -> int:
    return 1


@env.task
async def block(folder: str, seconds: float) -> int:
    Path(folder, "began").touch()
    time.sleep(seconds)
    return 1


@env.task
async def exits(x: int) -> int:
    sys.exit(3)


@env.task
def exits_plain(x: int) -> int:
    sys.exit("no more")


@env.task
async def exits_in_a_task(x: int) -> int:
    async def inner():
        sys.exit(3)

    asyncio.get_running_loop().create_task(inner())
    await asyncio.sleep(0.05)
    return x


@env.task
async def interrupts(x: int) -> int:
    raise KeyboardInterrupt


@env.task
def stops_iteration(x: int) -> int:
    raise StopIteration


@env.task
async def stops_the_loop(x: int) -> int:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return x


@env.task
async def cancels_everybody(x: int) -> int:
    mine = asyncio.current_task()
    for task in asyncio.all_tasks():
        if task is not mine:
            task.cancel()
    return x


@env.task
async def dies(x: int) -> int:
    os._exit(0)


@env.task
async def fails(x: int) -> int:
    error = ValueError(f"no rows in {x}")
    error.add_note("look at the file")
    raise error


@env.task
async def final(x: int) -> int:
    raise flyte.errors.NonRecoverableError("bad data")


@env.task
async def wrong(x: int) -> int:
    return "three"


@env.task
async def leaves_a_task_behind(folder: str) -> int:
    async def inner():
        try:
            await asyncio.Event().wait()
        finally:
            Path(folder, "cleaned").touch()

    task = asyncio.create_task(inner())
    await asyncio.sleep(0)
    return 1


@env.task
async def talks(folder: str, name: str, other: str) -> str:
    before = var.get()
    var.set(name)
    print(f"hello from {name}")
    print("careful,", name, file=sys.stderr)
    Path(folder, name).touch()
    while not Path(folder, other).exists():
        await asyncio.sleep(0.01)
    await asyncio.to_thread(print, f"{name} in a thread")
    print(f"{before} {var.get()}", end="")
    return flyte.ctx().action.name


@env.task
async def surroundings() -> dict[str, str]:
    here = flyte.ctx()
    return {
        "action": here.action.name,
        "run": here.action.run_name,
        "base": here.run_base_dir,
        "attempt": str(here.attempt_number),
        "cwd": os.getcwd(),
        "raw": here.raw_data_path.path,
        "secret": os.environ.get("API_KEY", ""),
        "project": flyte.current_project(),
    }


@env.task
async def blob(size: int) -> bytes:
    return b"x" * size
