"""Tasks that say what they were given to come in with."""

import asyncio
import os

import flyte

env = flyte.TaskEnvironment(name="guarded")
pool = flyte.TaskEnvironment(name="guarded_pool", reusable=flyte.ReusePolicy(replicas=1))


@env.task
async def child(x: int) -> int:
    return 2 * x


@pool.task
async def pooled(x: int) -> int:
    return x + 1


@env.task
async def main(n: int) -> int:
    print("came in with", os.environ["_U_ACTION_TOKEN"])
    doubled = await asyncio.gather(*(child(x) for x in range(n)))
    return await pooled(sum(doubled))
