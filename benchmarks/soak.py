"""Many actions, and what that does to the memory of the control plane, the hosts and the replicas.

Run: python -m benchmarks.soak [actions] [fork|reused]
Prints a line with every tenth, and JSON at the end; asserts nothing.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict

import psutil

from benchmarks.run import FLYTE, PROGRAM

_EVERY_SECONDS = 2.0
_KINDS = {
    "flyte_server": "control_plane",
    "_entrypoints.host": "host",
    "_entrypoints.replica": "replica",
}


def kind_of(process: psutil.Process, home: str) -> str | None:
    words = " ".join(process.cmdline())
    if home not in words:
        return None
    return next((kind for mark, kind in _KINDS.items() if mark in words), None)


class Sampler(threading.Thread):
    """Memory (USS, MB) of every long-lived process, by kind, over time; of several the largest."""

    def __init__(self, home: str) -> None:
        super().__init__(daemon=True)
        self.home = home
        self.over = threading.Event()
        self.samples: dict[str, list[float]] = defaultdict(list)

    def run(self) -> None:
        while not self.over.wait(_EVERY_SECONDS):
            found: dict[str, float] = {}
            for process in psutil.process_iter():
                try:
                    kind = kind_of(process, self.home)
                    if kind is not None and process.create_time() < time.time() - 10:
                        used = process.memory_full_info().uss / 2**20
                        found[kind] = max(found.get(kind, 0.0), used)
                except psutil.Error:
                    continue
            for kind, used in found.items():
                self.samples[kind].append(used)


def quarters(samples: list[float]) -> dict[str, float]:
    """Medians of the four quarters of the time: flat memory has equal ones."""
    size = max(1, len(samples) // 4)
    parts = [samples[i * size : (i + 1) * size] or samples[-1:] for i in range(4)]
    return {
        f"quarter_{number}": round(statistics.median(part), 1)
        for number, part in enumerate(parts, start=1)
    }


def main() -> None:
    actions = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    task = {"fork": "soak", "reused": "soak_reused"}[sys.argv[2] if len(sys.argv) > 2 else "reused"]
    home = tempfile.mkdtemp(prefix="flyte-soak-")
    os.environ["FLYTE_HOME"] = home
    subprocess.run([FLYTE, "start", "server"], check=True, capture_output=True)
    sampler = Sampler(home)
    sampler.start()
    started = time.perf_counter()
    try:
        subprocess.run([FLYTE, "run", PROGRAM, task, "--n", str(actions)], check=True)
        seconds = time.perf_counter() - started
    finally:
        sampler.over.set()
        sampler.join()
        subprocess.run([FLYTE, "stop", "server"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
    figures = {kind: quarters(samples) for kind, samples in sampler.samples.items() if samples}
    print(
        json.dumps({"actions": actions, "seconds": round(seconds, 1), "megabytes": figures}),
        flush=True,
    )


if __name__ == "__main__":
    main()
