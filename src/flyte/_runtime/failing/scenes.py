"""The last moment of a task's process: where its code was when it crashed, or was told to end.

The interpreter's own fault handler writes the stacks of all threads, also when no Python code can run any more.  What
it cannot see, tasks that wait on an event loop, is added by Python code if that still gets a turn.

The first line is a JSON object, `{"not_users": [...]}`: where the frames lie that are not the user's own.
"""

import asyncio
import faulthandler
import functools
import json
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flyte._kit import scenes
from flyte._wire.failing import tracebacks

if TYPE_CHECKING:
    from types import CodeType

_MOST_TASKS = 20
_MOST_FRAMES = 30


class Scene:
    """What the process may leave behind; does nothing without a parent that reads it."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def note(self) -> None:
        """Write down for what the tasks of the running loop wait; safe in a handler of a signal."""
        if self._descriptor is None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._write("\n".join(_waiting(asyncio.all_tasks(loop))))

    @contextmanager
    def kept(self) -> Generator[None]:
        """While the block runs, a crash and SIGTERM leave stacks; enter it after SIGTERM has got its handler."""
        descriptor = self._descriptor
        if descriptor is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._write(_header())
        faulthandler.enable(descriptor)
        faulthandler.register(signal.SIGTERM, descriptor, chain=True)
        _forget_in_children()
        try:
            yield
        finally:
            faulthandler.unregister(signal.SIGTERM)

    def _write(self, text: str) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, f"{text}\n".encode(errors="replace"))
        except OSError:  # the user's code has closed all descriptors
            self._descriptor = None


@functools.cache
def _header() -> str:
    return json.dumps({"not_users": [*tracebacks.OURS, *tracebacks.LIBRARIES]})


@functools.cache
def _forget_in_children() -> None:
    """Processes that the task forks write to their stderr: their end is not the task's."""
    os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    if faulthandler.unregister(signal.SIGTERM):
        faulthandler.enable(2)


def _waiting(tasks: Iterable["asyncio.Task[Any]"]) -> Iterator[str]:
    """The stacks of tasks, innermost frame first, as the fault handler writes those of threads."""
    for task in sorted(tasks, key=_age)[:_MOST_TASKS]:
        yield f"\nTask {task.get_name()} (most recent call first):"
        frames = list(_awaited(task.get_coro()))
        yield from reversed(frames[-_MOST_FRAMES:])


def _age(task: "asyncio.Task[Any]") -> tuple[int, str]:
    name = task.get_name()
    return len(name), name


def _awaited(coro: Any) -> Iterator[str]:
    """The frames of a coroutine and of what it waits for, outermost first."""
    while coro is not None:
        for kind in ("cr", "gi", "ag"):
            code: CodeType | None = getattr(coro, f"{kind}_code", None)
            frame = getattr(coro, f"{kind}_frame", None)
            if code is not None and frame is not None:
                yield f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}'
                break
        coro = next(
            (
                inner
                for name in ("cr_await", "gi_yieldfrom", "ag_await")
                if (inner := getattr(coro, name, None)) is not None
            ),
            None,
        )


def of_process() -> Scene:
    """The scene that the parent of this process has made for it."""
    return Scene(scenes.take())
