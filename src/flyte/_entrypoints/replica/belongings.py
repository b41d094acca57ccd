"""Whose an asyncio task is, so that what an attempt leaves behind ends with it."""

import asyncio
import logging
import weakref
from typing import TYPE_CHECKING, Any

from flyte import _context

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from contextvars import Context

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
"""How long tasks that were left behind may take to clean up."""


class Belongings:
    """The tasks that one attempt has started, its own apart."""

    def __init__(self) -> None:
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def add(self, task: asyncio.Task[Any]) -> None:
        """A task was started by the attempt's code."""
        self._tasks.add(task)

    async def end(self) -> None:
        """Cancel what is still running, as `asyncio.run` does at the end of a process of its own."""
        mine = asyncio.current_task()
        left = [task for task in self._tasks if not task.done() and task is not mine]
        for task in left:
            task.cancel()
        if not left:
            return
        _, deaf = await asyncio.wait(left, timeout=_PATIENCE_SECONDS)
        for task in deaf:
            logger.warning(
                "a task that was left behind does not end when it is cancelled: %r", task
            )


def factory(
    loop: asyncio.AbstractEventLoop,
    coro: "Coroutine[Any, Any, Any] | Generator[Any, None, Any]",
    context: "Context | None" = None,
    **options: Any,
) -> asyncio.Task[Any]:
    """Makes the tasks of a loop that attempts share (`loop.set_task_factory`)."""
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context, **options)  # pyright: ignore[reportArgumentType]
    owner = _context.owner(context)
    if isinstance(owner, Belongings):
        owner.add(task)
    return task
