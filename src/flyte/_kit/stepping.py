"""Coroutines without an event loop, for modules that must not pay for importing asyncio.

`flyte._kit.aio` has everything that needs a loop.
"""

import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Stepped(threading.local):
    """The loops on which this thread is stepping a coroutine in place right now (None where it runs none)."""

    def __init__(self) -> None:
        self.loops: list[object] = []


_stepped = _Stepped()


def drive(coro: Coroutine[Any, Any, T]) -> T:
    """Step a coroutine that never waits to its end, in place.

    Example:
        >>> async def three() -> int:
        ...     return 3
        >>> drive(three())
        3

    Raises:
        RuntimeError: when the coroutine waits for something after all.
    """
    _stepped.loops.append(_running_loop())
    try:
        coro.send(None)
    except StopIteration as done:
        return done.value
    finally:
        _stepped.loops.pop()
    coro.close()
    raise RuntimeError(f"{coro.__qualname__} waited although its caller cannot wait")


def loop_is_running() -> bool:
    """Whether the calling thread is inside a running event loop."""
    return _running_loop() is not None


def may_wait() -> bool:
    """Whether what is awaited here will be waited for: a loop runs, and it is not stood upon by `drive`.

    Where it is false, a coroutine that really waits belongs on another thread's loop.
    """
    loop = _running_loop()
    return loop is not None and loop not in _stepped.loops


def _running_loop() -> object:
    asyncio = sys.modules.get("asyncio")  # not imported by anybody: then nobody runs a loop
    if asyncio is None:
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
