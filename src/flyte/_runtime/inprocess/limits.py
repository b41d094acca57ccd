"""Time limits of tasks that run in the caller's process."""

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from flyte._kit import clock

T = TypeVar("T")


class LimitHitError(Exception):
    """A task's time is over; the engine says which limit it was."""


async def awaited(body: Coroutine[Any, Any, T], seconds: float | None) -> T:
    """Await `body`, and cancel it when its time is over.

    A body that swallows its cancellation, or blocks its loop, cannot be stopped; it is waited for, and what it gives
    comes too late all the same.
    """
    if seconds is None:
        return await body
    if seconds <= 0:
        body.close()
        raise LimitHitError
    limit, began = asyncio.timeout(seconds), clock.monotonic()
    try:
        async with limit:
            result = await body
    except TimeoutError as error:
        if limit.expired():
            raise LimitHitError from error
        raise
    if clock.monotonic() - began > seconds:
        raise LimitHitError
    return result


async def in_thread(body: Callable[[], T], seconds: float | None) -> T:
    """Run a blocking body in a thread.  When its time is over the caller goes on at once.

    The thread is interrupted as `inline` does it; one that hangs in C code lives on until that code
    returns.
    """
    if seconds is None:
        return await asyncio.to_thread(body)
    if seconds <= 0:
        raise LimitHitError
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await asyncio.to_thread(inline, body, seconds)
    except TimeoutError as error:
        if limit.expired():
            raise LimitHitError from error
        raise


def inline(body: Callable[[], T], seconds: float | None) -> T:
    """Run a blocking body in the calling thread, and interrupt it there when its time is over.

    Python can interrupt a thread only between two of its own instructions: a call into C
    (`time.sleep`, a long query) is interrupted when it returns.  A control plane has no such limit,
    it ends the process.
    """
    if seconds is None:
        return body()
    if seconds <= 0:
        raise LimitHitError
    watchdog = _Watchdog(seconds)
    try:
        return watchdog.watch(body)
    except _Interrupt as error:
        raise LimitHitError from error


class _Interrupt(BaseException):
    """Raised in the watched thread by its watchdog."""


class _Watchdog:
    """Raises `_Interrupt` in the thread that made it when `seconds` are over."""

    def __init__(self, seconds: float) -> None:
        self._thread_id = ctypes.c_ulong(threading.get_ident())
        self._lock = threading.Lock()
        self._over = False
        self._fired = False
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def watch(self, body: Callable[[], T]) -> T:
        self._timer.start()
        try:
            return body()
        finally:
            self._timer.cancel()
            with self._lock:
                self._over = True
            if self._fired:
                # Sent but perhaps not delivered yet: it must not hit whatever runs next in this
                # thread.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread_id, None)

    def _fire(self) -> None:
        with self._lock:
            if not self._over:
                self._fired = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    self._thread_id, ctypes.py_object(_Interrupt)
                )
