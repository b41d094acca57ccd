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
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from flyte._kit import aio

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_END: Any = object()


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


class Stream(Generic[R]):
    """Items of an async generator whose body runs on the background loop: for `for` and for `async for`.

    An iteration that is given up closes the body; with `close` or `aclose` at once, else when nobody holds it.
    """

    def __init__(self, items: AsyncIterator[R]) -> None:
        self._items: AsyncIterator[R] | None = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        item = _END if self._items is None else aio.background().wait(_next(self._items))
        if item is _END:
            self._items = None
            raise StopIteration
        return item

    def close(self) -> None:
        """Close the body and wait for it."""
        items, self._items = self._items, None
        if items is not None:
            aio.background().wait(_close(items))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        item = _END if self._items is None else await aio.background().join(_next(self._items))
        if item is _END:
            self._items = None
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Close the body and wait for it."""
        items, self._items = self._items, None
        if items is not None:
            await aio.background().join(_close(items))

    def __del__(self) -> None:
        if self._items is not None:
            aio.background().release(_close(self._items))


class SyncifiedIterator(Generic[P, R]):
    """What `@syncify` makes of an async generator function: `for x in f()`, `async for x in f()` or `in f.aio()`."""

    def __init__(self, body: Callable[P, AsyncIterator[R]]) -> None:
        self._body = body
        functools.update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Stream[R]:
        return Stream(self._body(*args, **kwargs))

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Stream[R]:
        """The same, under the name that every other function has for its asynchronous form."""
        return Stream(self._body(*args, **kwargs))

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
def syncify(obj: Callable[P, Coroutine[Any, Any, R]]) -> Syncified[P, R]: ...
@overload
def syncify(obj: Callable[P, AsyncIterator[S]]) -> SyncifiedIterator[P, S]: ...
def syncify(obj: Callable[..., Any]) -> Any:
    """Give an asynchronous function a blocking form under its own name and an asynchronous one under `.aio`."""
    if inspect.isasyncgenfunction(getattr(obj, "__func__", obj)):
        return SyncifiedIterator(obj)
    return Syncified(obj)


class Syncify:
    """What makes decorators like `syncify`, each for one part of a program.

    All bodies run on the SDK's one background loop: a second loop would have connections of its own, and what one
    part opens the other could not use.  The name tells parts apart in a debugger.

    Example:
        >>> to_sync = Syncify("weather")
        >>> @to_sync
        ... async def double(x: int) -> int:
        ...     return 2 * x
        >>> double(4)
        8
    """

    def __init__(self, name: str = "flyte_syncify") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Syncify({self.name!r})"

    def __call__(self, obj: Callable[..., Any]) -> Any:
        """The function with a blocking form under its own name and an asynchronous one under `.aio`."""
        return syncify(obj)
