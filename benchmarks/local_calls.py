"""How many trivial child calls per second local mode makes, on one core.

python benchmarks/local_calls.py [calls]
"""

import asyncio
import json
import sys
import time

from flyte._runtime.local import LocalRuntime
from flyte._task_environment import TaskEnvironment
from flyte._trace import trace

env = TaskEnvironment("bench")


@env.task
async def child(x: int) -> int:
    return x + 1


@env.task
def plain_child(x: int) -> int:
    return x + 1


@trace
async def step(x: int) -> int:
    return x + 1


@env.task
async def gathered(n: int) -> int:
    return sum(await asyncio.gather(*(child(x=i) for i in range(n))))


@env.task
def one_by_one(n: int) -> int:
    return sum(plain_child(x=i) for i in range(n))


@env.task
async def threads(n: int) -> int:
    return sum(await asyncio.gather(*(plain_child.aio(x=i) for i in range(n))))


@env.task
async def traced(n: int) -> int:
    return sum([await step(i) for i in range(n)])


def per_second(task: object, n: int) -> float:
    """Calls per second, the best of three."""
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        LocalRuntime().run_root(task, {"n": n})
        best = max(best, n / (time.perf_counter() - started))
    return round(best, 1)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    rates = {
        "async children gathered": per_second(gathered, n),
        "plain children one by one": per_second(one_by_one, n),
        "plain children in threads": per_second(threads, n),
        "traced calls": per_second(traced, n),
    }
    print(json.dumps({"calls": n, "per_second": rates}, indent=2))


if __name__ == "__main__":
    main()
