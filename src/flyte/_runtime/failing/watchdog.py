"""Tells, while it happens, that a task blocks its event loop: `event loop blocked for 5 s at train.py:12 in fit`.

Costs nothing for a short task: a loop that is watched gets its heart and its watcher (a thread that sleeps) after a
second.  Told once per stall, and again when it has lasted twice as long.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context, copy_context
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from flyte import _context
from flyte._kit import clock
from flyte._wire.failing import tracebacks

VARIABLE = "FLYTE_LOOP_STALL_SECONDS"
"""After how long a stall is told; 0: never."""
_DEFAULT_SECONDS = 5.0
_FIRST_SECONDS = 1.0
_BEATS = 10
"""How often the heart beats in the time of a stall."""

Say = Callable[[str], None]


class Stalls:
    """When to tell of a stall: after so many seconds, after twice as many, and so on.

    Args:
        seconds: the shortest stall worth a word.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._beat: float | None = None
        self._next = seconds

    def due(self, beat: float, now: float) -> float | None:
        """Seconds that the heart has not beaten, if that is to be told now.

        Args:
            beat: when it did last.
            now: the same clock's time.
        """
        if beat != self._beat:
            self._beat, self._next = beat, self._seconds
        if now - beat < self._next:
            return None
        while self._next <= now - beat:
            self._next *= 2
        return now - beat


class Watchdog:
    """Watches one loop until the last of those who asked for it is done.

    Args:
        loop: which runs in the thread that makes the watchdog.
        seconds: the shortest stall worth a word.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._thread_id = threading.get_ident()
        self._askers: dict[asyncio.Task[Any] | None, Context] = {}
        """The tasks that want to be watched, with their contexts."""
        self._beat = 0.0
        self._over = threading.Event()
        self._waiting: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it watches, or will when somebody has asked for a second."""
        return self._waiting is not None

    def enter(self) -> None:
        """One more asks for it."""
        self._askers[asyncio.current_task()] = copy_context()
        if self._waiting is None:
            self._waiting = self._loop.call_later(_FIRST_SECONDS, self._begin)

    def leave(self) -> None:
        """One asks no more."""
        self._askers.pop(asyncio.current_task(), None)
        if not self._askers and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            self._over.set()

    def _begin(self) -> None:
        self._over = threading.Event()
        self._live()
        threading.Thread(
            target=self._watch, args=(self._over,), name="flyte-watchdog", daemon=True
        ).start()

    def _live(self) -> None:
        self._beat = clock.monotonic()
        self._waiting = self._loop.call_later(self._seconds / _BEATS, self._live)

    def _watch(self, over: threading.Event) -> None:
        stalls = Stalls(self._seconds)
        while not over.wait(self._seconds / _BEATS):
            lasted = stalls.due(self._beat, clock.monotonic())
            frame = sys._current_frames().get(self._thread_id) if lasted is not None else None  # noqa: SLF001 - documented
            if lasted is not None and frame is not None:
                self._tell(lasted, frame)

    def _tell(self, lasted: float, frame: FrameType) -> None:
        """Into the log of the attempt that blocks: its context says which that is."""
        task = asyncio.current_task(self._loop)
        context = self._askers.get(task)
        if context is None and (tell := getattr(task, "get_context", None)):
            context = tell()  # a task of the user's own; Python 3.12 and later
        text = f"event loop blocked for {lasted:.0f} s at {place(frame)}"
        (context or next(iter(self._askers.values()), copy_context())).copy().run(_say, text)


def _say(text: str) -> None:
    here = _context.scope()
    whose = f" (task {here.task.task_name})" if here is not None and here.task.task_name else ""
    print(f"flyte: {text}{whose}", file=sys.stderr, flush=True)  # noqa: T201 - the attempt's log


def place(frame: FrameType) -> str:
    """The innermost line of the user's own code below a frame; of a library if there is none."""
    frames: list[FrameType] = []
    inner: FrameType | None = frame
    while inner is not None:
        frames.append(inner)
        inner = inner.f_back
    theirs = [each for each in frames if not tracebacks.is_ours(each.f_code.co_filename)] or frames
    own = [each for each in theirs if not tracebacks.is_library(each.f_code.co_filename)] or theirs
    return tracebacks.shown(own[0].f_code.co_filename, own[0].f_lineno, own[0].f_code.co_name)


_watchdogs: WeakKeyDictionary[asyncio.AbstractEventLoop, Watchdog] = WeakKeyDictionary()


@contextmanager
def watching() -> Generator[None]:
    """While the block runs, stalls of the running loop are told."""
    seconds = _threshold()
    if seconds <= 0:
        yield
        return
    loop = asyncio.get_running_loop()
    watchdog = _watchdogs.get(loop)
    if watchdog is None:
        watchdog = _watchdogs[loop] = Watchdog(loop, seconds)
    watchdog.enter()
    try:
        yield
    finally:
        watchdog.leave()


def _threshold() -> float:
    try:
        return float(os.environ.get(VARIABLE, _DEFAULT_SECONDS))  # noqa: TID251 - of the task's process
    except ValueError:
        return _DEFAULT_SECONDS
