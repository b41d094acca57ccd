"""A task that calls one which another client has deployed."""

import flyte
from flyte.remote import Task

env = flyte.TaskEnvironment(name="own_app")


@env.task
def shift(n: int, by: int = 100) -> int:
    return n + by


@env.task
async def across(n: int) -> int:
    remote = Task.get("official_tools.scale", auto_version="latest")
    changed = await remote.override.aio(retries=1)
    return await remote(n=n) + await changed(n=n, factor=10)
