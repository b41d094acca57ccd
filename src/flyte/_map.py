"""map(): one task over many values, with a bound on how many run at once, and errors as results."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any, Final

from flyte import errors
from flyte._group import group
from flyte._kit import aio, stepping
from flyte._task import TaskTemplate

Mapped = TaskTemplate[..., Any, Any] | functools.partial[Any]

_END: Final = object()


class Mapper:
    """`flyte.map`: callable in blocking code, `.aio` in coroutines."""

    def __call__(
        self,
        func: Mapped,
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[Any]:
        """Call a task with the values of iterables, in parallel; results come in their order.

        Args:
            func: a task, or a `functools.partial` of one.
            *args: one iterable per remaining input; the shortest one ends it, as with the built-in
                `map`.
            group_name: heading under which the calls are shown; the default is made from the task's
                name.
            concurrency: how many calls run at the same time; 0 sets no limit.
            return_exceptions: give an `Exception` as a result in the place of the failed call.
                Without, the first failure cancels the other calls and is raised.

        Raises:
            DefinitionError: when `func` is not a task, or `concurrency` is negative.
            SyncTaskCallInAsyncContextError: on a running event loop; write `async for … in
                flyte.map.aio(…)` there.

        Example:
            >>> @env.task
            ... def main(seeds: list[int]) -> float:
            ...     scores = flyte.map(train, seeds, concurrency=8)
            ...     return max(score for score in scores if not isinstance(score, Exception))
        """
        name = _checked(func, concurrency)
        if stepping.loop_is_running():
            raise errors.SyncTaskCallInAsyncContextError(
                f"flyte.map over {name!r} would block the event loop it is called in; "
                "write `async for result in flyte.map.aio(…)`"
            )
        results = self.aio(
            func,
            *args,
            group_name=group_name,
            concurrency=concurrency,
            return_exceptions=return_exceptions,
        )
        return _blocking(results)

    async def aio(
        self,
        func: Mapped,
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncGenerator[Any, None]:
        """The same in coroutines: `async for result in flyte.map.aio(train, seeds)`."""
        name = _checked(func, concurrency)
        with group(group_name or f"{name}_map"):
            calls = _Calls(func, list(zip(*args, strict=False)), limit=concurrency or None)
        async with aclosing(calls.results(return_exceptions=return_exceptions)) as results:
            async for result in results:
                yield result


class _Calls:
    """The calls of one `map`, all of them begun when the object is made."""

    def __init__(self, func: Mapped, values: list[tuple[Any, ...]], *, limit: int | None) -> None:
        self._call = _awaited(func)
        self._slots = asyncio.Semaphore(limit or len(values) or 1)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = [asyncio.create_task(self._run(arguments)) for arguments in values]

    async def _run(self, arguments: tuple[Any, ...]) -> Any:
        async with self._slots:
            try:
                return await self._call(*arguments)
            except Exception as error:
                if not self._failure.done():
                    self._failure.set_exception(error)
                raise

    async def results(self, *, return_exceptions: bool) -> AsyncGenerator[Any, None]:
        try:
            for running in self._running:
                awaited = {running} if return_exceptions else {running, self._failure}
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
                if not return_exceptions and self._failure.done():
                    self._failure.result()
                error = running.exception()
                yield running.result() if error is None else error
        finally:
            await self._stop()

    async def _stop(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._failure.done():
            self._failure.exception()  # looked at: asyncio must not complain that nobody did
        else:
            self._failure.cancel()


def _awaited(func: Mapped) -> Callable[..., Any]:
    if isinstance(func, functools.partial):
        task: Any = func.func
        return functools.partial(task.aio, *func.args, **func.keywords)
    return func.aio


def _checked(func: Any, concurrency: Any) -> str:
    """The short name of the mapped task."""
    task = func.func if isinstance(func, functools.partial) else func
    if not isinstance(task, TaskTemplate):
        raise errors.DefinitionError(
            f"flyte.map takes a task or a functools.partial of one, got {task!r}; decorate it with "
            "@env.task"
        )
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 0:
        raise errors.DefinitionError(
            f"flyte.map: concurrency must be 0 (no limit) or a positive number, got {concurrency!r}"
        )
    return task.short_name


def _blocking(results: AsyncGenerator[Any, None]) -> Iterator[Any]:
    """The results one by one; the calls run on a loop of their own beside the calling thread."""
    # Not on the SDK's background loop: the tasks' code may be slow between two awaits.
    loop = aio.Background("flyte-map")
    try:
        while (result := loop.wait(_next(results))) is not _END:
            yield result
    finally:
        loop.wait(_close(results))
        loop.stop()


async def _next(results: AsyncGenerator[Any, None]) -> Any:
    return await anext(results, _END)


async def _close(results: AsyncGenerator[Any, None]) -> None:
    await results.aclose()
    await asyncio.get_running_loop().shutdown_default_executor()


map = Mapper()  # noqa: A001 - an official name
