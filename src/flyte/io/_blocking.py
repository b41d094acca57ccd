"""Blocking callers of asynchronous I/O: the `_sync` twins work everywhere, notebooks and running loops included."""

import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from flyte._kit import aio, stepping

T = TypeVar("T")


class _Aside(threading.Thread, Generic[T]):
    """Runs one coroutine for a caller on the SDK's own loop, which cannot wait for itself."""

    def __init__(self, coro: Coroutine[Any, Any, T]) -> None:
        super().__init__(name="flyte-aside", daemon=True)
        self.result: Future[T] = Future()
        self._body = copy_context().run, aio.run_main, coro

    def run(self) -> None:
        enter, run_main, coro = self._body
        try:
            self.result.set_result(enter(run_main, coro))
        except BaseException as error:  # noqa: BLE001 - handed over to the caller, who raises it
            self.result.set_exception(error)


def wait(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end for a caller that blocks, in whichever thread and loop it stands.

    Usually the SDK's background loop runs it.  A task that itself runs on that loop (in a notebook) gets a thread
    for the time of the call.
    """
    if not aio.background().is_here:
        return aio.background().wait(coro)
    aside = _Aside(coro)
    aside.start()
    aside.join()
    return aside.result.result()


async def waited(coro: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine; where the caller is stepped in place, and nobody would wait, block instead."""
    return await coro if stepping.may_wait() else wait(coro)


async def on_background(coro: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine that belongs on the background loop, where the connections live."""
    if isinstance(threading.current_thread(), _Aside):
        return await coro  # the background loop waits for us
    return await aio.background().join(coro)
