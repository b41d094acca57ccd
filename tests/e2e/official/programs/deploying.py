"""Two environments for the official client to deploy; it has no other code than this."""

import flyte
from flyte.remote import Task

tools = flyte.TaskEnvironment(name="official_tools")


@tools.task
async def scale(n: int, factor: int = 3) -> int:
    return n * factor


app = flyte.TaskEnvironment(name="official_app", depends_on=[tools])


@app.task
async def main(n: int, called: str = "official_tools.scale") -> int:
    remote = Task.get(called, auto_version="latest")
    return await remote(n=n)
