"""Three levels of actions with traces, processes of their own and counted side effects: something to break."""

import asyncio
import subprocess
import sys
from pathlib import Path

from ledger import enter, executed

import flyte

env = flyte.TaskEnvironment(name="chaos")

HELPER_RETRIES = 30
"""A helper that is killed from outside is the user's failure: the task that needs it asks for retries."""


@flyte.trace
async def step(ledger: str, n: int) -> int:
    enter(ledger, "steps", flyte.ctx().action.name, n)
    return 3 * n


@env.task
async def leaf(ledger: str, n: int, seconds: float) -> int:
    executed(ledger)
    await asyncio.sleep(seconds)
    return n * n


@env.task(retries=HELPER_RETRIES)
def helped(ledger: str, n: int, seconds: float) -> int:
    """Lets a process of its own do the work."""
    executed(ledger)
    work = f"import time; time.sleep({seconds}); print({n} * 7)"
    helper = subprocess.Popen([sys.executable, "-S", "-c", work], stdout=subprocess.PIPE, text=True)
    enter(ledger, "helpers", helper.pid)
    said, _ = helper.communicate()
    if helper.returncode:
        raise ChildProcessError(f"the helper ended with {helper.returncode}")
    return int(said)


async def work(ledger: str, n: int, seconds: float) -> int:
    """Every fifth leaf needs help."""
    if n % 5:
        return await leaf(ledger, n, seconds)
    return await helped.aio(ledger, n, seconds)


@env.task
async def branch(ledger: str, n: int, width: int, seconds: float) -> int:
    executed(ledger)
    before = await step(ledger, n)
    found = await asyncio.gather(*(work(ledger, 1000 * n + i, seconds) for i in range(width)))
    after = await step(ledger, n + before)
    return before + sum(found) + after


@env.task
async def tree(ledger: str, branches: int = 4, width: int = 20, seconds: float = 0.05) -> list[int]:
    executed(ledger)
    return await asyncio.gather(*(branch(ledger, n, width, seconds) for n in range(branches)))


@env.task
async def waiting(ledger: str, n: int) -> int:
    executed(ledger)
    while not (Path(ledger) / "go").exists():  # noqa: ASYNC110 - the test makes it
        await asyncio.sleep(0.5)
    return n


@env.task
async def talking(ledger: str, n: int, width: int) -> int:
    """Has children in flight while the control plane is away, and then wants more of it."""
    executed(ledger)
    children = asyncio.gather(*(waiting(ledger, 100 * n + i) for i in range(width)))
    while not (Path(ledger) / "away").exists():  # noqa: ASYNC110 - the test makes it
        await asyncio.sleep(0.2)
    traced = await step(ledger, n)
    late = await leaf(ledger, n, 0.0)
    return traced + late + sum(await children)


@env.task
async def crowd(ledger: str, parents: int, width: int) -> int:
    executed(ledger)
    print("line 1: before", flush=True)
    children = asyncio.gather(*(talking(ledger, n, width) for n in range(parents)))
    for moment, number in (("away", 2), ("go", 3)):
        while not (Path(ledger) / moment).exists():  # noqa: ASYNC110 - the test makes it
            await asyncio.sleep(0.2)
        print(f"line {number}: {moment}", flush=True)
    total = sum(await children)
    print("line 4: after", flush=True)
    return total
