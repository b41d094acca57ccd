"""Many at once on the default store: 32 client processes with 1,000 actions each, 8 followers of logs, 4 watchers.

    python -m benchmarks.load [--clients 32] [--actions 1000]

Prints JSON: how it ended for every client, how long commits took, and whether SQLite ever said that it was locked.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import flyte
from benchmarks import program
from flyte import _session
from flyte.remote import Run
from flyte.remote._progress import snapshots

FLYTE = str(Path(sys.executable).parent / "flyte")
LOG_STREAMS = 8
CONSOLES = 4
_PAUSE_SECONDS = 0.5


def client(name: str, actions: int) -> None:
    """One of the many: a run with that many children, waited for."""
    flyte.init(endpoint="local")
    run = flyte.with_runcontext(name=name).run(program.told, actions)
    run.wait(quiet=True)
    run.outputs()


def console(name: str) -> None:
    """Follows every change of a run, as a page would."""
    flyte.init(endpoint="local")
    seen = 0
    for snapshot in snapshots(name):
        seen = snapshot.total
    print(seen)


@contextlib.contextmanager
def control_plane() -> Iterator[Path]:
    """A fresh one; what is started inside finds it by FLYTE_HOME."""
    with tempfile.TemporaryDirectory(prefix="flyte-load-", ignore_cleanup_errors=True) as home:
        os.environ["FLYTE_HOME"] = home
        subprocess.run([FLYTE, "start", "server"], check=True, capture_output=True)
        try:
            yield Path(home)
        finally:
            subprocess.run([FLYTE, "stop", "server"], check=False, capture_output=True)


def measure(clients: int, actions: int) -> dict[str, Any]:
    """Start everybody at the same time, and wait until the last one has its result."""
    with control_plane() as home:
        begun = time.monotonic()
        names = [f"load{number}" for number in range(clients)]
        working = [_begin("--client", name, "--actions", str(actions)) for name in names]
        _until_known(names)
        followers = [_follow(name) for name in names[:LOG_STREAMS]]
        watching = [_begin("--console", name) for name in names[:CONSOLES]]
        failures = [_failure(process) for process in working]
        seconds = time.monotonic() - begun
        shown = [process.communicate()[0].strip() for process in watching]
        lines = [_lines(process) for process in followers]
        pulse = asyncio.run(_pulse())
        log = (home / "server.log").read_text()
    return {
        "clients": clients,
        "actions": clients * (actions + 1),
        "seconds": round(seconds, 1),
        "actions_per_second": round(clients * actions / seconds, 1),
        "failed_clients": [failure for failure in failures if failure],
        "actions_shown_by_consoles": shown,
        "lines_by_log_stream": lines,
        "lock_errors_in_log": log.count("locked"),
        "commits": pulse,
    }


def _until_known(names: Sequence[str]) -> None:
    flyte.init(endpoint="local")
    for name in names:
        while True:
            try:
                Run.get(name)
            except flyte.errors.ActionNotFoundError:
                time.sleep(_PAUSE_SECONDS)
            else:
                break


def _begin(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.load", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def _follow(run: str) -> "subprocess.Popen[str]":
    command = [FLYTE, "get", "logs", run, "--follow"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _lines(process: "subprocess.Popen[str]") -> int:
    return len(process.communicate()[0].splitlines())


def _failure(process: "subprocess.Popen[str]") -> str:
    _, said = process.communicate()
    return said.strip()[-500:] if process.returncode else ""


async def _pulse() -> dict[str, Any]:
    plane = await _session.current().control_plane()
    return await plane.own("ServerService", "Pulse", {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--actions", type=int, default=1000)
    parser.add_argument("--client")
    parser.add_argument("--console")
    chosen = parser.parse_args()
    if chosen.client:
        client(chosen.client, chosen.actions)
    elif chosen.console:
        console(chosen.console)
    else:
        print(json.dumps(measure(chosen.clients, chosen.actions), indent=2))


if __name__ == "__main__":
    main()
