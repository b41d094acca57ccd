"""What machine is this?  Two fixed pieces of work whose times put every other figure into proportion."""

import hashlib
import os
import platform
import statistics
import time

import psutil


def calibrate() -> dict[str, object]:
    """The machine: cores, load, and the times of a fixed loop, of hashing, and of fork and exit."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1m": round(os.getloadavg()[0], 2),
        "loop_ms": median_ms(_loop),
        "sha256_32mib_ms": median_ms(_hash),
        "fork_exit_ms": median_ms(_fork, repeat=30),
    }


def median_ms(work: object, repeat: int = 5) -> float:
    """Median wall time of `work()` in milliseconds."""
    times: list[float] = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()  # type: ignore[operator]
        times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 2)


def _loop() -> int:
    return sum(number * number for number in range(1_000_000))


def _hash() -> str:
    return hashlib.sha256(bytes(32 * 2**20)).hexdigest()


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
