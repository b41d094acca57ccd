"""What tests wait with.  No test sleeps: it says what it waits for and how long at most."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

_PAUSE_SECONDS = 0.01


async def eventually(
    predicate: Callable[[], Any | Awaitable[Any]], *, timeout_seconds: float = 10
) -> Any:
    """Wait until `predicate()` (plain or async) is truthy and return its value.

    Raises:
        AssertionError: with the predicate's source and its last value, when the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(predicate, value, timeout_seconds))
        await asyncio.sleep(_PAUSE_SECONDS)


def wait_until(predicate: Callable[[], Any], *, timeout_seconds: float = 10) -> Any:
    """`eventually` for blocking tests."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(predicate, value, timeout_seconds))
        time.sleep(_PAUSE_SECONDS)
    return value


def _complaint(predicate: Callable[[], Any], value: object, timeout_seconds: float) -> str:
    try:
        source = inspect.getsource(predicate).strip()
    except (OSError, TypeError):
        source = repr(predicate)
    return f"not so after {timeout_seconds} s: {source} (last value: {value!r})"
