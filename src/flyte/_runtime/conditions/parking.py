"""A task that waits for nothing but conditions gives its process back, and is started anew when one of them ends.

A condition may wait for weeks.  Its parent is replayed then, as after a crash: what it has called, traced and asked is
found again.  So the process may go only if nothing could happen in it before an answer comes: no thread, child process,
timer, connection or call of its own is under way, and the loop has nothing to do.  Whatever cannot be known counts
as under way; then the process simply waits.
"""

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, Protocol

from flyte import storage
from flyte._kit import aio
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.failing import watchdog

logger = logging.getLogger(__name__)

EXIT = 75
"""Exit code of a process that was given back; with `MARKER` beside the outputs the control plane knows."""
MARKER = "parked.json"
_AGAIN_SECONDS = 5.0
"""Between two looks at a process that is old enough but has something under way."""
_OWN_FILES = 1
"""What a loop watches for itself: the pipe by which other threads wake it."""
_OURS = "flyte"
"""How the names of the SDK's own threads begin."""


class Parking(Protocol):
    """Knows for which conditions an attempt waits."""

    def waiting(self, name: str) -> AbstractContextManager[None]:
        """While the block runs, the attempt waits for the end of a condition."""
        ...


class _Never:
    """For processes that are not ours to give back."""

    def waiting(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


class _Process:
    """The process of one attempt.

    Args:
        folder: of the attempt's outputs.
        after_seconds: how long nothing else may have gone on.
        is_busy: whether something is still to be said to the control plane.
    """

    def __init__(self, folder: Path, after_seconds: float, is_busy: Callable[[], bool]) -> None:
        self._folder = folder
        self._after_seconds = after_seconds
        self._is_busy = is_busy
        self._waits: dict[object, tuple[str, asyncio.AbstractEventLoop | None]] = {}
        """Conditions, each with the loop that awaits it; None: a thread waits for it."""
        self._since = 0.0
        """When the last wait has begun or ended."""
        self._is_armed = False

    @contextmanager
    def waiting(self, name: str) -> Generator[None]:
        here = None if aio.background().is_here else asyncio.get_running_loop()
        token = object()
        self._waits[token], self._since = (name, here), time.monotonic()
        aio.background().call(self._arm)
        try:
            yield
        finally:
            del self._waits[token]
            self._since = time.monotonic()

    # --- on the background loop

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            asyncio.get_running_loop().call_later(self._after_seconds, self._look)

    def _look(self) -> None:
        self._is_armed = False
        if not self._waits:
            return
        left = self._since + self._after_seconds - time.monotonic()
        loops = {loop for _, loop in list(self._waits.values())}
        if left <= 0 and len(loops) == 1:
            loop = loops.pop()
            if loop is None:
                self._leave_if_idle(None)
            elif not loop.is_closed():
                # There nothing else runs while it looks; one round later, the wake itself is over.
                loop.call_soon_threadsafe(loop.call_soon, self._leave_if_idle, loop)
        self._is_armed = True
        asyncio.get_running_loop().call_later(max(left, _AGAIN_SECONDS), self._look)

    # --- where the task waits

    def _leave_if_idle(self, loop: asyncio.AbstractEventLoop | None) -> None:
        names = sorted({name for name, _ in list(self._waits.values())})
        obstacle = self._obstacle(loop)
        if names and not obstacle:
            self._leave(names)
        logger.debug("the process stays although the task waits for conditions: %s", obstacle)

    def _obstacle(self, loop: asyncio.AbstractEventLoop | None) -> str:
        """What may happen in the process before an answer comes; empty: nothing."""
        if aio.background().awaited != len(self._waits) or self._is_busy():
            return "a call is under way"
        if loop is not None and (works := _work(loop)):
            return works
        if threads := _threads(loop):
            return f"threads: {', '.join(thread.name for thread in threads)}"
        return "it has child processes" if _has_children() else ""

    def _leave(self, names: list[str]) -> NoReturn:
        logger.info(
            "waits for nothing but conditions: the process ends, and the task goes on when one of them does"
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        written = self._folder / f".{MARKER}"
        written.write_text(json.dumps({"awaits": names}))
        written.replace(self._folder / MARKER)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # Like a crash, on purpose: no `finally` of the task runs, because the task has not ended.
        os._exit(EXIT)


def of_attempt(arguments: TaskArguments, is_busy: Callable[[], bool]) -> Parking:
    """For an attempt's own process, if its control plane takes processes back."""
    if arguments.park_seconds <= 0 or storage.is_remote(arguments.outputs_path):
        return _Never()
    folder = Path(arguments.outputs_path.removeprefix("file://"))
    return _Process(folder, arguments.park_seconds, is_busy)


def _work(loop: Any) -> str:
    """What the loop that asks has to do, but to wait for a wake from another thread; empty: nothing."""
    try:
        ready, timers, watched = loop._ready, loop._scheduled, loop._selector.get_map()  # noqa: SLF001
    except AttributeError:
        return f"{type(loop).__name__} cannot be asked what it does"
    if ready:
        return "its loop has something to do"
    if any(not timer.cancelled() and not _is_watchdog(timer) for timer in timers):
        return "its loop has a timer"
    return "its loop watches a connection" if len(watched) > _OWN_FILES else ""


def _is_watchdog(timer: Any) -> bool:
    """Whether it only watches that the loop is not blocked."""
    return getattr(timer._callback, "__module__", "") == watchdog.__name__  # noqa: SLF001


def _threads(loop: Any) -> list[threading.Thread]:
    """Threads that may do something of their own."""
    idle = _idle_workers(loop)
    return [
        each
        for each in threading.enumerate()
        if each is not threading.main_thread()
        and each not in idle
        and not each.name.startswith(_OURS)
    ]


def _idle_workers(loop: Any) -> set[threading.Thread]:
    """The threads of the loop's own pool, if all of them wait for work."""
    pool: Any = getattr(loop, "_default_executor", None)
    if pool is None:
        return set()
    try:
        is_idle = pool._idle_semaphore._value >= len(pool._threads)  # noqa: SLF001
        return set(pool._threads) if is_idle and pool._work_queue.empty() else set()  # noqa: SLF001
    except AttributeError:
        return set()


def _has_children() -> bool:
    """Whether the task has started processes; they would be ended with it."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except (OSError, AttributeError):
        return True
    return True
