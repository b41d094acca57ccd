"""`@syncify`: one asynchronous body, two ways to call it.

    >>> @syncify
    ... async def double(x: int) -> int:
    ...     return 2 * x
    >>> double(4)              # blocks
    8
    >>> # await double.aio(4)  # in a coroutine

Works on functions, methods, class methods (put `@syncify` *above* `@classmethod`) and async generators.  The body
runs on the SDK's own background loop in either form, so clients and streams live on one loop, whoever calls.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, ParamSpec, TypeVar, overload

from flyte._kit import aio

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_END = object()


class Syncified(Generic[P, R]):
    """What `@syncify` makes of a coroutine function: `f()` blocks, `await f.aio()` does not."""

    def __init__(self, body: Callable[P, Coroutine[Any, Any, R]]) -> None:
        self._body = body
        functools.update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return aio.background().wait(self._body(*args, **kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return await aio.background().join(self._body(*args, **kwargs))

    def __get__(self, instance: object, owner: type | None = None) -> "Syncified[..., R]":
        bound = _bound(self._body, instance, owner)
        return self if bound is None else Syncified(bound)


class SyncifiedIterator(Generic[P, R]):
    """What `@syncify` makes of an async generator function: `for x in f()`, `async for x in f.aio()`."""

    def __init__(self, body: Callable[P, AsyncIterator[R]]) -> None:
        self._body = body
        functools.update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        items = self._body(*args, **kwargs)
        try:
            while (item := aio.background().wait(_next(items))) is not _END:
                yield item  # pyright: ignore[reportReturnType]
        finally:
            aio.background().wait(_close(items))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        items = self._body(*args, **kwargs)
        try:
            while (item := await aio.background().join(_next(items))) is not _END:
                yield item  # pyright: ignore[reportReturnType]
        finally:
            await aio.background().join(_close(items))

    def __get__(self, instance: object, owner: type | None = None) -> "SyncifiedIterator[..., R]":
        bound = _bound(self._body, instance, owner)
        return self if bound is None else SyncifiedIterator(bound)


def _bound(body: Any, instance: object, owner: type | None) -> Any:
    """The body as a method of `instance`, or of the class if it is a class method; None if neither is there."""
    if instance is None and not isinstance(body, classmethod):
        return None
    return body.__get__(instance, owner)


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, _END)


async def _close(items: AsyncIterator[Any]) -> None:
    if inspect.isasyncgen(items):
        await items.aclose()


@overload
def syncify(body: Callable[P, Coroutine[Any, Any, R]]) -> Syncified[P, R]: ...
@overload
def syncify(body: Callable[P, AsyncIterator[S]]) -> SyncifiedIterator[P, S]: ...
def syncify(body: Callable[..., Any]) -> Any:
    """Give an asynchronous function a blocking form under its own name and an asynchronous one under `.aio`."""
    if inspect.isasyncgenfunction(getattr(body, "__func__", body)):
        return SyncifiedIterator(body)
    return Syncified(body)
