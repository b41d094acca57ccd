"""Time limits in the caller's process."""

import asyncio
import threading
import time

import pytest

from flyte._runtime.inprocess import limits


def spin(until: threading.Event) -> None:
    while not until.is_set():
        pass


async def test_a_coroutine_is_cancelled() -> None:
    with pytest.raises(limits.LimitHitError):
        await limits.awaited(asyncio.Event().wait(), 0.01)


async def test_a_timeout_of_user_code_is_its_own() -> None:
    async def fails() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await limits.awaited(fails(), 10)


async def test_no_limit_is_no_limit() -> None:
    assert await limits.awaited(asyncio.sleep(0, 1), None) == 1
    assert await limits.in_thread(lambda: 2, None) == 2
    assert limits.inline(lambda: 3, None) == 3


def test_a_loop_in_the_calling_thread_is_interrupted() -> None:
    with pytest.raises(limits.LimitHitError):
        limits.inline(lambda: spin(threading.Event()), 0.02)


def test_user_code_cannot_swallow_the_interruption_by_accident() -> None:
    def stubborn() -> None:
        while True:
            try:
                spin(threading.Event())
            except Exception:  # noqa: BLE001 - stubborn on purpose
                continue

    with pytest.raises(limits.LimitHitError):
        limits.inline(stubborn, 0.02)


def test_a_function_in_time_keeps_its_value_and_its_error() -> None:
    assert limits.inline(lambda: 1, 10) == 1
    with pytest.raises(ZeroDivisionError):
        limits.inline(lambda: 1 // 0, 10)


async def test_the_caller_of_a_thread_goes_on_and_the_thread_ends() -> None:
    ended = threading.Event()

    def body() -> None:
        try:
            spin(threading.Event())
        finally:
            ended.set()

    with pytest.raises(limits.LimitHitError):
        await limits.in_thread(body, 0.02)
    assert await asyncio.to_thread(ended.wait, 5)


async def test_what_blocks_its_loop_for_too_long_comes_too_late() -> None:
    async def blocks() -> int:
        spin_for(0.05)
        return 1

    with pytest.raises(limits.LimitHitError):
        await limits.awaited(blocks(), 0.01)


def spin_for(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def test_without_time_nothing_begins() -> None:
    began: list[str] = []

    async def coroutine() -> None:
        began.append("coroutine")

    with pytest.raises(limits.LimitHitError):
        await limits.awaited(coroutine(), 0.0)
    with pytest.raises(limits.LimitHitError):
        await limits.in_thread(lambda: began.append("thread"), 0.0)
    with pytest.raises(limits.LimitHitError):
        limits.inline(lambda: began.append("inline"), 0.0)
    assert began == []
