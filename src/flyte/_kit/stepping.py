"""Coroutines without an event loop, for modules that must not pay for importing asyncio.

`flyte._kit.aio` has everything that needs a loop.
"""

import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


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
    try:
        coro.send(None)
    except StopIteration as done:
        return done.value
    coro.close()
    raise RuntimeError(f"{coro.__qualname__} waited although its caller cannot wait")


def loop_is_running() -> bool:
    """Whether the calling thread is inside a running event loop."""
    asyncio = sys.modules.get("asyncio")  # not imported by anybody: then nobody runs a loop
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
