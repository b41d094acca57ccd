"""When a process gives itself back: each case in a process of its own, which may end."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BEGINNING = """
import asyncio, subprocess, sys, threading
from pathlib import Path
from flyte._ids import ActionID
from flyte._kit import aio
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.conditions import parking

folder, seconds = sys.argv[1], float(sys.argv[2])
made = TaskArguments(action=ActionID(name="a0"), inputs="", outputs_path=folder, park_seconds=seconds)
is_busy = False
waits = parking.of_attempt(made, lambda: is_busy)

async def for_ever():
    await asyncio.Event().wait()

async def answer(name):
    with waits.waiting(name):
        await aio.background().join(for_ever())

async def until(seconds, *others):
    # What ends the process if it is not given back.
    aio.background().call(lambda: asyncio.get_running_loop().call_later(seconds, stop))
    await asyncio.gather(*others)

def stop():
    import os
    os._exit(3)
"""


def ended(tmp_path: Path, body: str, seconds: float = 0.1) -> tuple[int, list[str] | None]:
    """Exit code, and the conditions that the process has written down."""
    code = f"{BEGINNING}\n{textwrap.dedent(body)}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "1"), str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    marker = tmp_path / "1" / parking_marker()
    assert done.returncode in {75, 3}, done.stderr
    return done.returncode, json.loads(marker.read_text())["awaits"] if marker.exists() else None


def parking_marker() -> str:
    return "parked.json"


def test_a_task_that_waits_for_conditions_alone_is_parked(tmp_path: Path) -> None:
    body = "asyncio.run(until(20, answer('b'), answer('a')))"
    assert ended(tmp_path, body) == (75, ["a", "b"])


def test_a_blocked_thread_is_parked(tmp_path: Path) -> None:
    body = """
    aio.background().call(lambda: asyncio.get_running_loop().call_later(20, stop))
    aio.background().wait(blocking())
    """
    blocking = """
    async def blocking():
        with waits.waiting("a"):
            await for_ever()
    """
    whole = f"{textwrap.dedent(blocking)}\n{textwrap.dedent(body)}"
    assert ended(tmp_path, whole) == (75, ["a"])


def test_the_idle_threads_of_a_loop_do_not_keep_it(tmp_path: Path) -> None:
    body = """
    async def main():
        await asyncio.to_thread(print)
        await answer("a")
    asyncio.run(until(20, main()))
    """
    assert ended(tmp_path, body) == (75, ["a"])


@pytest.mark.parametrize(
    "others",
    [
        "asyncio.sleep(60)",
        "asyncio.wait_for(asyncio.Event().wait(), 60)",
        "aio.background().join(for_ever())",
        "asyncio.to_thread(threading.Event().wait)",
        "asyncio.start_server(lambda *_: None, '127.0.0.1', 0)",
        "asyncio.create_subprocess_exec('sleep', '3', stdout=-3, stderr=-3)",
        "thread()",
        "process()",
        "busy()",
    ],
)
def test_a_process_in_which_something_goes_on_stays(tmp_path: Path, others: str) -> None:
    body = f"""
    async def thread():
        threading.Thread(target=threading.Event().wait, daemon=True).start()

    async def process():
        subprocess.Popen(["sleep", "3"], stdout=-3, stderr=-3)

    async def busy():
        global is_busy
        is_busy = True

    asyncio.run(until(1.5, answer("a"), {others}))
    """
    assert ended(tmp_path, body) == (3, None)


def test_zero_seconds_are_never(tmp_path: Path) -> None:
    assert ended(tmp_path, "asyncio.run(until(1, answer('a')))", 0) == (3, None)
