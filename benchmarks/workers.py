"""What the processes that run user code cost: forked, reused, waiting.

Run: python -m benchmarks.workers
Prints one line of JSON; asserts nothing.  Starts a control plane of its own in a temporary directory.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.run import FLYTE, PROGRAM, median, result_of

CHILDREN = 1000
REUSED = 3000
STEPS = 200
IDLE_SECONDS = 30


def control_plane(home: str) -> psutil.Process:
    return psutil.Process(json.loads((Path(home) / "server.json").read_text())["pid"])


def idle(home: str) -> dict[str, float]:
    """The control plane when nothing runs, and the processes that it keeps ready."""
    time.sleep(10)  # what was begun comes to its end
    server = control_plane(home)
    before, started = server.cpu_times(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    after, elapsed = server.cpu_times(), time.perf_counter() - started
    spent = after.user + after.system - before.user - before.system
    return {
        "idle_cpu_percent": round(100 * spent / elapsed, 2),
        "idle_memory_mb": round(server.memory_info().rss / 2**20, 1),
    }


def measure() -> dict[str, object]:
    home = tempfile.mkdtemp(prefix="flyte-bench-")
    os.environ["FLYTE_HOME"] = home
    subprocess.run([FLYTE, "start", "server"], check=True, capture_output=True)

    def run(task: str, *given: str) -> float:
        return result_of(PROGRAM, task, *given)

    try:
        fresh_idle = idle(home)
        run("fan_out", "--n", "20")
        figures: dict[str, object] = {
            "fork_children_per_second": median(
                lambda: CHILDREN / run("fan_out", "--n", str(CHILDREN)), 5
            ),
            "fork_step_ms": median(lambda: run("chain", "--n", str(STEPS)) * 1000 / STEPS, 3),
            "fork_private_mb": statistics.median(run("private_megabytes") for _ in range(5)),
            "reused_children_per_second": median(
                lambda: REUSED / run("fan_out_reused", "--n", str(REUSED)), 5
            ),
            "reused_step_ms": median(
                lambda: run("chain_reused", "--n", str(STEPS)) * 1000 / STEPS, 3
            ),
        }
        return {**figures, **fresh_idle, "after_work": idle(home)}
    finally:
        subprocess.run([FLYTE, "stop", "server"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    print(json.dumps(measure()))
