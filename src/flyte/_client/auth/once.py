"""`Once`: many ask for the same thing at the same time, and it is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Lets all who come while something is being done wait for its one result, be it a failure.

    Whoever comes later starts it anew.  It is given up when nobody waits any more.

    Example:
        >>> once = Once()
        >>> await asyncio.gather(*(once.done(log_in) for _ in range(100)))  # one login
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None
        self._waiting = 0

    async def done(self, do: Callable[[], Awaitable[T]]) -> T:
        """The result of `do`, or of the one that is being done already."""
        if self._task is None:
            self._task = asyncio.ensure_future(_awaited(do))
            self._waiting = 0
        task = self._task
        self._waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._leave(task)

    def _leave(self, task: "asyncio.Task[T]") -> None:
        if task is not self._task:
            return
        self._waiting -= 1
        if task.done() or self._waiting == 0:
            task.cancel()
            self._task = None


async def _awaited(do: Callable[[], Awaitable[T]]) -> T:
    return await do()
