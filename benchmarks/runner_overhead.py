"""What an attempt costs after `preload`: from the arguments to the outputs of a trivial task.

python benchmarks/runner_overhead.py [attempts]
"""

import asyncio
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from flyte._ids import ActionID
from flyte._runtime import runner
from flyte._runtime.arguments import TaskArguments
from flyte._task_environment import TaskEnvironment
from flyte._wire import values

env = TaskEnvironment("bench")


@env.task
async def child(x: int) -> int:
    return x + 1


@env.task
def plain_child(x: int) -> int:
    return x + 1


def median_ms(base: Path, name: str, attempts: int) -> float:
    """Median milliseconds of `run()`."""
    arguments = TaskArguments(
        action=ActionID(name="a0", run_name="r1", project="p", domain="d"),
        inputs=str(base / "inputs.pb"),
        outputs_path="",
        run_base=str(base),
        loader_args=("mod", __name__, "instance", name),
    )
    runner.preload(arguments)
    took: list[float] = []
    for number in range(attempts):
        one = dataclasses.replace(arguments, outputs_path=str(base / name / str(number)))
        started = time.perf_counter()
        code = runner.run(one)
        took.append(time.perf_counter() - started)
        if code != 0 or not (base / name / str(number) / "outputs.pb").exists():
            raise SystemExit(f"attempt {number} of {name} failed")
    return round(statistics.median(took) * 1000, 3)


def main() -> None:
    attempts = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        inputs = asyncio.run(values.inputs(child.interface, {"x": 1}))
        (base / "inputs.pb").write_bytes(inputs.SerializeToString())
        names = {"async task": "child", "plain task": "plain_child"}
        took = {kind: median_ms(base, name, attempts) for kind, name in names.items()}
    print(json.dumps({"attempts": attempts, "median_ms": took}, indent=2))


if __name__ == "__main__":
    main()
