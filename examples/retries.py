"""When something fails: retries with pauses, a time limit, errors that the caller catches.

flyte run examples/retries.py main
"""

from datetime import timedelta

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="retries")


@env.task(
    retries=flyte.RetryStrategy(
        count=3, backoff=flyte.Backoff(base=timedelta(milliseconds=100), factor=2.0)
    )
)
async def unsteady() -> int:
    """Fails twice, then works; the pauses between the attempts are 0.1 s and 0.2 s."""
    attempt = flyte.ctx().attempt_number
    if attempt < 2:
        raise ConnectionError(f"attempt {attempt} found nobody at home")
    return attempt


@env.task(timeout=timedelta(seconds=20))
async def checked(amount: float) -> float:
    if amount < 0:
        raise ValueError(f"an amount cannot be {amount}")
    return amount


@env.task(retries=5)
async def hopeless() -> None:
    """Trying again would not help, so the five retries are not used."""
    raise flyte.errors.NonRecoverableError("the account is closed")


@env.task
async def main() -> str:
    needed = await unsteady()
    try:
        await checked(-1.0)
        problem = "none"
    except flyte.errors.RuntimeUserError as error:
        problem = f"{error.code}: {error}"  # the same class and code, wherever the task ran
    try:
        await hopeless()
    except flyte.errors.RuntimeUserError as error:
        problem += f"; {error}"
    return f"retried {needed} times; caught {problem}"


if __name__ == "__main__":
    flyte.init_from_config()
    print(flyte.run(main).outputs())
