"""Steps that are recorded but are no tasks: the four kinds of function that `@flyte.trace` takes.

flyte run examples/traces.py main

When a task is started again after a crash, recorded calls give their values back without running:
put in a trace what must not happen twice, such as a payment.
"""

from collections.abc import AsyncIterator, Iterator

import flyte

env = flyte.TaskEnvironment(name="traces")


@flyte.trace
def parse(line: str) -> dict[str, int]:
    key, _, value = line.partition("=")
    return {key: int(value)}


@flyte.trace
async def doubled(value: int) -> int:
    return value * 2


@flyte.trace
def countdown(start: int) -> Iterator[int]:
    yield from range(start, 0, -1)


@flyte.trace
async def words(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield word


@env.task
async def main(line: str = "answer=21") -> str:
    entry = parse(line)
    key, value = next(iter(entry.items()))
    steps = list(countdown(3))
    told = [word async for word in words(f"the {key} is")]
    return f"{steps} {' '.join(told)} {await doubled(value)}"


if __name__ == "__main__":
    flyte.init_from_config()
    print(flyte.run(main).outputs())
