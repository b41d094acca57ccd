"""@trace: record a helper function's calls as steps of the running task.

A task that is started again does not repeat a recorded step: its value is given again, its items
one by one, or its error is raised again.  Functions, coroutine functions, generators and async
generators share one story, `_items`, which is told for the most general of them; the other three
are that story with one item, or stepped without a loop.
"""

import functools
import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from flyte import _context, errors
from flyte._interface import NativeInterface
from flyte._kit import clock, stepping

P = ParamSpec("P")
R = TypeVar("R")

_END = object()


class TracedFunction:
    """What an engine records: a function's name and interface."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self.name: str = func.__qualname__
        self.yields = inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func)
        self.waits = inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func)

    @property
    def interface(self) -> NativeInterface:
        """Names and types; of a generator, the items as one list."""
        return self._interface

    @cached_property
    def _interface(self) -> NativeInterface:
        # Made at the first call, when all types that the hints name are defined.
        interface = NativeInterface.from_helper(self.func)
        if not self.yields:
            return interface
        arguments = typing.get_args(interface.returns)
        items: Any = list[arguments[0]] if arguments else list[Any]
        return replace(interface, outputs={"o0": items}, returns=items)

    def call(
        self, here: _context.Scope, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> _context.Call:
        """The call to record."""
        bound = inspect.signature(self.func).bind(*args, **kwargs)
        bound.apply_defaults()
        group = here.task.group_data
        return _context.Call(
            callee=self,
            arguments=bound.arguments,
            group=group.name if group else None,
            blocking=not self.waits,
        )

    async def body(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """What the function gives, as items: those of a generator, else its one value."""
        result: Any = self.func(*args, **kwargs)
        if inspect.isasyncgen(result):
            async with aclosing(result):
                async for item in result:
                    yield item
        elif self.yields:
            for item in result:
                yield item
        else:
            yield await result if inspect.isawaitable(result) else result


async def _items(
    traced: TracedFunction, here: _context.Scope, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    """The story of a traced call: give again what is recorded, or run the function and record what
    it gives.

    Nothing is recorded when the consumer goes away before the end, and for what is not an
    `Exception` (a cancellation, a keyboard interrupt): then the call has no outcome yet.
    """
    call = traced.call(here, args, kwargs)
    known = await here.runtime.recall(call)
    if known is not None:
        for item in known.unwrap() if traced.yields else [known.unwrap()]:
            yield item
        return
    inside = replace(here, trace=traced.name)
    started_at = clock.now()
    items: list[Any] = []
    error: Exception | None = None
    async with aclosing(traced.body(args, kwargs)) as body:
        while True:
            try:
                # Entered for each step, so that the consumer between two items is not inside the
                # trace.
                with _context.entered(inside):
                    item = await anext(body, _END)
            except Exception as raised:  # noqa: BLE001 - whatever user code raises is the outcome
                error = raised
                break
            if item is _END:
                break
            items.append(item)
            yield item
    outcome = _context.Outcome(
        value=None if error else items if traced.yields else items[0],
        error=error,
        started_at=started_at,
        ended_at=clock.now(),
    )
    await here.runtime.record(call, outcome)
    if error is not None:
        raise error


def _recording() -> _context.Scope | None:
    """Where to record; None outside of tasks, and inside a trace, whose outcome includes
    everything.
    """
    here = _context.scope()
    return None if here is None or here.trace is not None else here


async def _only(items: AsyncIterator[Any]) -> Any:
    value = None
    async for item in items:
        value = item
    return value


def trace(func: Callable[P, R]) -> Callable[P, R]:
    """Record the calls of a function as steps of the running task; outside of tasks it is just the
    function.

    The function stays what it is: plain or async, returning or yielding.  A traced function that is
    called by another one belongs to that one's step.  Tasks cannot be called inside.

    Args:
        func: function, coroutine function, generator function or async generator function.

    Example:
        >>> @flyte.trace
        ... async def ask(question: str) -> str:
        ...     return await model.answer(question)

    Raises:
        DefinitionError: when it is not a function, or is a task.
    """
    if not inspect.isfunction(func):
        raise errors.DefinitionError(
            f"@flyte.trace goes on functions, got {func!r}; put it below @env.task or on another "
            "function"
        )
    traced = TracedFunction(func)
    wrapper: Any = _ADAPTERS[traced.yields, traced.waits](traced)
    return functools.wraps(func)(wrapper)


def _function(traced: TracedFunction) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        here = _recording()
        if here is None:
            return traced.func(*args, **kwargs)
        return stepping.drive(_only(_items(traced, here, args, kwargs)))

    return call


def _coroutine_function(traced: TracedFunction) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        here = _recording()
        if here is None:
            return await traced.func(*args, **kwargs)
        return await _only(_items(traced, here, args, kwargs))

    return call


def _generator_function(traced: TracedFunction) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        here = _recording()
        if here is None:
            return (yield from traced.func(*args, **kwargs))
        items = _items(traced, here, args, kwargs)
        try:
            while (item := stepping.drive(_next(items))) is not _END:
                yield item
        finally:
            stepping.drive(items.aclose())

    return call


def _async_generator_function(traced: TracedFunction) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        here = _recording()
        given = _items(traced, here, args, kwargs) if here else traced.func(*args, **kwargs)
        async with aclosing(given) as items:
            async for item in items:
                yield item

    return call


_ADAPTERS = {
    (False, False): _function,
    (False, True): _coroutine_function,
    (True, False): _generator_function,
    (True, True): _async_generator_function,
}


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, _END)
