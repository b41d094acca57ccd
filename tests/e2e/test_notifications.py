"""A failed run tells so to a real receiver, also across a crash of the control plane."""

import asyncio
import json
import subprocess
import sys

import pytest
from tests.e2e.plane import PROGRAMS, Plane, flyte
from tests.fakes import receivers
from tests.support import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def begin(url: str) -> str:
    command = [sys.executable, "telling.py", url]
    done = subprocess.run(command, cwd=PROGRAMS, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


async def test_the_end_of_a_run_is_told_across_a_crash_of_the_control_plane(plane: Plane) -> None:
    async with receivers.web(503) as receiver:
        run = await asyncio.to_thread(begin, receiver.url)
        await eventually(lambda: receiver.told, timeout_seconds=40)
        await asyncio.to_thread(plane.kill)
        await asyncio.to_thread(plane.start)
        await eventually(lambda: len(receiver.told) > 1, timeout_seconds=90)
        first, second = receiver.told[:2]
        assert json.loads(second.body)["error"] == "ValueError: fell 3 m"
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]

        async def shown() -> str:
            done = await asyncio.to_thread(flyte, "get", "notification", run)
            return done.stdout if "sent" in done.stdout else ""

        text = await eventually(shown, timeout_seconds=20)
    assert "unwanted" in text
    assert f"POST {receiver.url}/…" in text
