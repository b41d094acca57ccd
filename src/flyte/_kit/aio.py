"""The bridge between blocking code and coroutines.  No other module of the SDK makes an event loop.

Four ways across, each for one situation:

* `run_main(coro)`: a process's own main coroutine, on the main thread (`asyncio.run`).
* `background()`: one daemon thread with a loop that lives as long as the process.  Blocking callers hand
  it a coroutine and wait; coroutines of *another* loop await it without blocking their own.
* `drive(coro)`: a coroutine that is known never to wait is stepped in place, without any loop.
* `Foreground`: the main thread's loop of a process that lives longer than any coroutine on it.
"""

import asyncio
import atexit
import contextlib
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from flyte._kit import optional
from flyte._kit.stepping import drive as drive
from flyte._kit.stepping import loop_is_running

T = TypeVar("T")

_STOP_SECONDS = 3.0


class Background:
    """An event loop on a daemon thread.

    A daemon thread with the same loop serves notebooks, scripts and task processes alike: the user's own
    loop, if there is one, is never blocked by ours and never blocks ours.
    """

    def __init__(self, name: str) -> None:
        self._loop = _new_loop()
        # Named like the loop, so that whoever looks at the process's threads knows whose they are.
        self._pool = ThreadPoolExecutor(thread_name_prefix=name)
        self._loop.set_default_executor(self._pool)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._awaited: set[Future[Any]] = set()
        self._thread.start()

    @property
    def awaited(self) -> int:
        """For how many coroutines of this loop other threads, or coroutines of other loops, wait."""
        return len(self._awaited)

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is this loop's own: it must not wait for the loop."""
        return threading.current_thread() is self._thread

    def submit(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coro` on the background loop; the future can be waited for or cancelled from any thread."""
        return asyncio.run_coroutine_threadsafe(coro, self._loop)

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call it on the background loop, soon."""
        self._loop.call_soon_threadsafe(callback, *args)

    def release(self, coro: Coroutine[Any, Any, object]) -> None:
        """Start `coro` for whoever will not wait for it; at the end of the process nothing happens."""
        if self._loop.is_closed():
            coro.close()
        else:
            future = self.submit(coro)
            self._awaited.add(future)  # not by anybody, but the process should not end before
            future.add_done_callback(self._awaited.discard)

    def wait(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run `coro` to its end and return its value; the calling thread blocks.

        Raises:
            RuntimeError: when called from the background loop itself, which would wait for itself forever.
        """
        if self.is_here:
            coro.close()
            raise RuntimeError(
                f"{coro.__qualname__} was called in a blocking way from the SDK's own event loop; await its `.aio` form"
            )
        future = self.submit(coro)
        self._awaited.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._awaited.discard(future)

    async def join(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run `coro` on the background loop and await it from any loop (cancelling the wait cancels it)."""
        if self.is_here:
            return await coro
        future = self.submit(coro)
        self._awaited.add(future)
        awaited = asyncio.wrap_future(future)
        # After `wrap_future`, so that the waiting loop has been woken before nobody waits any more.
        future.add_done_callback(self._awaited.discard)
        return await awaited

    def stop(self) -> None:
        """Cancel what still runs, stop the loop and wait for the thread, a few seconds at most."""

        async def cancel_all() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        with contextlib.suppress(TimeoutError):
            self.submit(cancel_all()).result(_STOP_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    """The fast loop where there is one: a parent of a thousand children needs a third less of a core."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()  # noqa: TID251 - this is the one home of loops
    return optional.module("uvloop", "the background loop").new_event_loop()


@cache
def background() -> Background:
    """The process's one background loop, started at the first use and stopped when the interpreter ends.

    It must not simply be left to end with the process: a compiled HTTP client whose thread asks for the interpreter
    while that is being torn down aborts the whole process.
    """
    made = Background("flyte-background")
    atexit.register(made.stop)
    return made


def run_main(coro: Coroutine[Any, Any, T]) -> T:
    """Run a process's main coroutine on this thread."""
    return asyncio.run(coro)  # noqa: TID251 - this is the one home of loops


def finish(coro: Coroutine[Any, Any, T], *, waits: bool) -> T:
    """Run a coroutine to its end for a caller that blocks: in place unless it `waits`, then on the loop at hand."""
    if not waits:
        return drive(coro)
    return background().wait(coro) if loop_is_running() else run_main(coro)


class Foreground:
    """The loop of a process's main thread, for other people's coroutines.

    It ends when it is told to and not before: neither a SystemExit in one of their tasks nor a `loop.stop()` of
    theirs ends it for the others.

    Args:
        struck: is told of a SystemExit or KeyboardInterrupt that nobody awaited.
    """

    def __init__(self, struck: Callable[[BaseException], object]) -> None:
        self.loop = asyncio.new_event_loop()  # noqa: TID251 - this is the one home of loops
        self._struck = struck
        self._over = False

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call it on the loop, soon; may be asked for in any thread."""
        self.loop.call_soon_threadsafe(callback, *args)

    def run(self) -> None:
        """Run on the calling thread until `end`."""
        asyncio.set_event_loop(self.loop)
        while not self._over:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                self._struck(error)

    def end(self) -> None:
        """Let `run` return; may be asked for in any thread."""
        self._over = True
        self.call(self.loop.stop)
