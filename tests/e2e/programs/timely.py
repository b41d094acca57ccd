"""Tasks about time: one that sleeps durably, one that tells where it got its secret and its variables from."""

import os
from pathlib import Path

import flyte

env = flyte.TaskEnvironment(name="timely", secrets=[flyte.Secret("token", as_env_var="TOKEN")])
plain = flyte.TaskEnvironment(name="plain")


@plain.task(retries=1)
async def sleeper(marks: str, seconds: float) -> list[float]:
    """When it began, when it woke up, and the moment that it asked for in between."""
    moment = await flyte.durable.time.aio()
    with Path(marks, "sleeper.pid").open("a") as file:  # noqa: ASYNC230 - a line for the test
        print(os.getpid(), file=file)
    await flyte.durable.sleep.aio(seconds)
    return [moment, await flyte.durable.time.aio()]


@env.task
def told() -> list[str]:
    return [os.environ["TOKEN"], os.environ.get("REGION", "")]
