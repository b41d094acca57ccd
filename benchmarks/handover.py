"""50 MB handed from one task to another on the local control plane, each in a process of its own.

    python -m benchmarks.handover            # MB/s for bytes and for an array, on a control plane of its own

What is timed is `await consume(await produce())` in the parent: two actions, from the call to the value.  The payload
lies in the memory of the processes already, so that making it is not measured.  A run's data is deleted after it, so
that the next one gets pages of memory that have been used before: where they come from a virtual machine's host for
the first time, that alone can take longer than everything else.
"""

import json
import shutil
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import flyte

MEGABYTES = 50
_WARM_UP = 3
_SIZE = MEGABYTES * 1_000_000
_PAYLOAD = np.random.default_rng(0).bytes(_SIZE)
_ARRAY = np.frombuffer(_PAYLOAD, np.uint8)

env = flyte.TaskEnvironment(name="handover")


@env.task
async def make_bytes() -> bytes:
    return _PAYLOAD


@env.task
async def take_bytes(data: bytes) -> int:
    return len(data)


@env.task
async def make_array() -> np.ndarray:
    return _ARRAY


@env.task
async def take_array(data: np.ndarray) -> int:
    return int(data[:: 1 << 12].sum())


@env.task
async def seconds(kind: str) -> tuple[float, str]:
    """The time of one handover, and where the run's data is.

    The second one of a run would not write again what the first has written.
    """
    make, take = (make_bytes, take_bytes) if kind == "bytes" else (make_array, take_array)
    await take_bytes(b"the connection is open now")
    started = time.perf_counter()
    await take(await make())
    elapsed = time.perf_counter() - started
    here = flyte.ctx()
    assert here is not None
    return elapsed, here.run_base_dir


def rates(kind: str, repeat: int = 9) -> Mapping[str, float]:
    """MB/s on the control plane of the session: median, smallest, largest; the first runs warm it up."""
    found = [MEGABYTES / _seconds(kind) for _ in range(repeat + _WARM_UP)][_WARM_UP:]
    return {
        "median": round(statistics.median(found), 1),
        "min": round(min(found), 1),
        "max": round(max(found), 1),
        "n": repeat,
    }


def _seconds(kind: str) -> float:
    run = flyte.with_runcontext("remote").run(seconds, kind)
    run.wait()
    elapsed, data = run.outputs()
    shutil.rmtree(Path(data))
    return elapsed


if __name__ == "__main__":
    flyte.init(endpoint="local")
    kinds = sys.argv[1:] or ["bytes", "array"]
    print(json.dumps({f"handover_{kind}_mb_per_second": rates(kind) for kind in kinds}, indent=2))
