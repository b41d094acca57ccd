"""What else the official package's tasks do: caches, crashes, aborts, secrets."""

import asyncio
import os
import pathlib
import random

from program import count

import flyte

env = flyte.TaskEnvironment(name="flows")
guarded = flyte.TaskEnvironment(
    name="guarded", secrets=flyte.Secret(key="witness-secret", as_env_var="WITNESS_SECRET")
)


@env.task(cache=flyte.Cache(behavior="override", version_override="1"))
async def costly(x: int, marker: str) -> int:
    count(marker, "costly")
    return x + 1


@env.task
async def twice(x: int, marker: str) -> int:
    return await costly(x, marker) + await costly(x, marker)


@flyte.trace
async def drawn(n: int, marker: str) -> float:
    count(marker, f"drawn-{n}")
    return random.random()


@env.task
async def step(n: int, marker: str) -> int:
    count(marker, f"step-{n}")
    place = pathlib.Path(marker)
    (place / f"pid-{n}").write_text(str(os.getpid()))
    while n == 2 and not (place / "go").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.05)
    return n


@env.task
async def durable(marker: str) -> str:
    count(marker, "durable")
    values = [await drawn(n, marker) for n in range(3)]
    place = pathlib.Path(marker)
    with (place / "values").open("a") as file:
        file.write(f"{values}\n")
    total = sum([await step(n, marker) for n in range(2)])
    (place / "parent").write_text(str(os.getpid()))
    return f"{total + await step(2, marker)} {values}"


@env.task
async def sleeper(n: int, marker: str) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600")
    with (pathlib.Path(marker) / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n{process.pid}\n")
    await asyncio.sleep(600)


@env.task
async def asleep(marker: str) -> None:
    await asyncio.gather(*(sleeper(n, marker) for n in range(2)))


@guarded.task
async def knows() -> int:
    return len(os.environ["WITNESS_SECRET"])


@env.task(triggers=flyte.Trigger("nightly", flyte.Cron("0 3 * * *"), inputs={"x": 3, "n": 1}))
async def nightly(x: int, n: int) -> int:
    return x * n


@env.task(retries=3)
async def resumed(steps: int, marker: str) -> int:
    """Dies in the middle of each step but the last, and goes on where it was."""
    context = flyte.ctx()
    assert context is not None
    found = await context.checkpoint.load()
    done = int(found.read_text()) if found else 0
    count(marker, f"step-{done}")
    if done < steps:
        await context.checkpoint.save(str(done + 1).encode())
        raise RuntimeError(f"died in step {done}")
    return done
