"""What logs cost: how late a line is seen, how many a second are taken, and in how much memory.

Run: python -m benchmarks.logs [lines of the flood, 10 million are 1 GB]
Prints one line of JSON; asserts nothing.
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

import psutil

from benchmarks.run import FLYTE, PROGRAM, wall_ms

TICKS = 50


def begin(task: str, name: str, *given: str) -> "subprocess.Popen[str]":
    words = [FLYTE, "run", "--name", name, PROGRAM, task, *given]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def lateness() -> dict[str, float]:
    """Seconds from the print of a line to its sight in `flyte get logs --follow`, two processes further."""
    run = begin("ticks", "ticks", "--n", str(TICKS))
    time.sleep(1.0)
    words = [FLYTE, "get", "logs", "ticks", "--follow"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        late = [
            time.time() - float(line.rsplit("tick ", 1)[1])
            for line in follower.stdout
            if "tick " in line
        ]
    run.communicate()
    seen_live = late[
        len(late) // 2 :
    ]  # what was printed before the follower came is late for other reasons
    return {
        "median_seconds": round(statistics.median(seen_live), 3),
        "max_seconds": round(max(seen_live), 3),
    }


class Peaks(threading.Thread):
    """The largest private memory (MB) of each kind of process, and how long a hello takes meanwhile."""

    def __init__(self, home: str) -> None:
        super().__init__(daemon=True)
        self.home = home
        self.over = threading.Event()
        self.peaks: dict[str, float] = {}

    def run(self) -> None:
        while not self.over.wait(0.2):
            for process in psutil.process_iter():
                try:
                    words = " ".join(process.cmdline())
                    if self.home not in words:
                        continue
                    kind = "control_plane" if "flyte_server" in words else "host_scribe_or_task"
                    used = process.memory_full_info().uss / 2**20
                    self.peaks[kind] = round(max(self.peaks.get(kind, 0.0), used), 1)
                except psutil.Error:
                    continue


def flood(home: str, count: int) -> dict[str, object]:
    """A task that prints as fast as it can while somebody follows it."""
    hello = [FLYTE, "run", PROGRAM, "hello"]
    quiet = statistics.median(wall_ms(hello) for _ in range(5))
    peaks = Peaks(home)
    peaks.start()
    run = begin("lines", "flood", "--n", str(count))
    time.sleep(0.7)
    follower = subprocess.Popen(
        [FLYTE, "get", "logs", "flood", "--follow"], stdout=subprocess.DEVNULL
    )
    meanwhile = []
    while run.poll() is None:
        meanwhile.append(wall_ms(hello))
    output, _ = run.communicate()
    follower.wait()
    peaks.over.set()
    peaks.join()
    seconds = float(output.split("o0=")[1].split(")")[0])
    return {
        "lines": count,
        "lines_per_second": round(count / seconds),
        "hello_ms_before": round(quiet),
        "hello_ms_meanwhile": round(statistics.median(meanwhile)) if meanwhile else None,
        "peak_private_mb": peaks.peaks,
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    home = tempfile.mkdtemp(prefix="flyte-bench-")
    os.environ["FLYTE_HOME"] = home
    os.environ["FLYTE_SERVER_LOG_MB"] = "4096"
    subprocess.run([FLYTE, "start", "server"], check=True, capture_output=True)
    try:
        print(json.dumps({"live": lateness(), "flood": flood(home, count)}))
    finally:
        subprocess.run([FLYTE, "stop", "server"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
