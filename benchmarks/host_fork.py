"""How fast the process executor starts and ends attempts that do nearly nothing, through a real
host.

Run: python -m benchmarks.host_fork [attempts] Prints one line of JSON; asserts
nothing.  `start_to_first_child_ms` is from `launch` to the first report, with a spare host and
without.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil

from flyte_server.clock import RealClock
from flyte_server.domain.events import Event
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import Exit, LaunchSpec
from flyte_server.executors.process import records
from flyte_server.executors.process.executor import ProcessExecutor
from flyte_server.executors.process.options import Options

HOST = ("-P", str(Path(__file__).with_name("trivial_host.py")))


class ExitVerdicts:
    """Success is exit code 0."""

    async def of(self, output_prefix: str, exit: Exit) -> Failure | None:  # noqa: A002
        return None if exit.code == 0 else Failure("Exit", f"{exit} in {output_prefix}")


class Bench:
    """An executor on a home of its own that takes every report at once."""

    def __init__(self, *, keep_warm: bool) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="flyte-bench-"))
        (self.home / "out").mkdir()
        self.events: list[Event] = []
        self.first = asyncio.Event()
        self.executor = ProcessExecutor(
            self.home,
            self._report,
            ExitVerdicts(),
            RealClock(),
            base_env=os.environ,
            options=Options(host_words=HOST, keep_warm=keep_warm),
        )

    async def _report(self, event: Event) -> None:
        self.events.append(event)
        self.first.set()

    async def launch(self, count: int) -> float:
        """Launch attempts, wait until all are over, and return how many seconds it took."""
        before = len(self.events)
        started = time.perf_counter()
        for number in range(count):
            await self.executor.launch(self._spec(f"{before}-{number}"))
        while await self.executor.alive():  # noqa: ASYNC110 - there is nothing else to ask
            await asyncio.sleep(0.002)
        return time.perf_counter() - started

    def _spec(self, name: str) -> LaunchSpec:
        return LaunchSpec(
            attempt=AttemptKey(1, name, 1, "token"),
            task_name="bench.trivial",
            environment="bench",
            run_name="r",
            command=("a0",),
            args=(str(self.home / "out" / name),),
            env={"ACTION_NAME": name},
            output_prefix=str(self.home / "out"),
            log_path=str(self.home / "logs" / f"{name}.log"),
            host_key="bench",
        )

    async def close(self) -> None:
        await self.executor.close()
        shutil.rmtree(self.home, ignore_errors=True)


async def throughput(count: int) -> dict[str, float]:
    """Attempts per second, and where the CPU time goes."""
    bench = Bench(keep_warm=False)
    await bench.executor.start()
    await bench.launch(10)
    [record] = records.found(bench.home)
    host, us = psutil.Process(record.pid), psutil.Process()
    host_before, us_before = host.cpu_times(), us.cpu_times()
    seconds = await bench.launch(count)
    host_after, us_after = host.cpu_times(), us.cpu_times()
    rss = host.memory_info().rss / 2**20
    await bench.close()

    def per_child(spent: float) -> float:
        return round(spent * 1000 / count, 2)

    return {
        "attempts": count,
        "per_second": round(count / seconds, 1),
        "host_rss_mib": round(rss, 1),
        "host_cpu_ms": per_child(_sum(host_after) - _sum(host_before)),
        "child_cpu_ms": per_child(
            host_after.children_user
            + host_after.children_system
            - host_before.children_user
            - host_before.children_system
        ),
        "control_plane_cpu_ms": per_child(_sum(us_after) - _sum(us_before)),
    }


def _sum(times: object) -> float:
    return times.user + times.system  # type: ignore[attr-defined]


async def first_child_ms(*, keep_warm: bool) -> float:
    """From the launch of the first attempt of a bundle to the report of its start."""
    bench = Bench(keep_warm=keep_warm)
    await bench.executor.start()
    if keep_warm:
        while not list(records.found(bench.home)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
    started = time.perf_counter()
    launched = asyncio.ensure_future(bench.launch(1))
    await bench.first.wait()
    elapsed = (time.perf_counter() - started) * 1000
    await launched
    await bench.close()
    return round(elapsed, 1)


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(
        json.dumps(
            {
                **await throughput(count),
                "start_to_first_child_ms": {
                    "with_spare_host": await first_child_ms(keep_warm=True),
                    "without": await first_child_ms(keep_warm=False),
                },
                "load_1m": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
