"""Many calls of one task: `flyte.map` with a limit, and `flyte.group` to find them again.

flyte run examples/fan_out.py main --n 20
"""

import asyncio

import flyte

env = flyte.TaskEnvironment(name="fan_out")


@env.task
def root(n: int) -> float:
    if n < 0:
        raise ValueError(f"{n} has no real root")
    return n**0.5


@env.task
def over_a_map(n: int) -> float:
    """Four at a time; a failed call gives its exception and does not stop the others."""
    results = list(flyte.map(root, range(-1, n), concurrency=4, return_exceptions=True))
    return sum(result for result in results if not isinstance(result, BaseException))


@env.task
async def main(n: int = 10) -> tuple[float, float]:
    with flyte.group("all at once"):
        roots = await asyncio.gather(*(root.aio(i) for i in range(n)))
    return sum(roots), await over_a_map.aio(n)


if __name__ == "__main__":
    flyte.init_from_config()
    print(flyte.run(main).outputs())
