"""Time that survives a restart of the task: `sleep`, `time` and `now`.

What a clock says is a step of the task, recorded like a call of a traced function: a task that is started again gets
the same answer again, so that what it computes of it, and the children it calls with it, stay the same.  A sleep
records when it ends; after a restart only what is left of it is slept.

    >>> await flyte.durable.sleep.aio(3600)   # in a coroutine
    >>> flyte.durable.sleep(3600)             # in a plain task
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Generic, ParamSpec, TypeVar

from flyte import errors
from flyte._kit import clock
from flyte._kit.backoff import sleep_blocking
from flyte._trace import trace

__all__ = ["now", "sleep", "time"]

P = ParamSpec("P")
R = TypeVar("R")

_MICROS = 1_000_000
_LONGEST_NAP_SECONDS = 60.0


class _Durable(Generic[P, R]):
    """A function with a form for plain code and one for coroutines; both run where they are called.

    Not `syncify`: what is recorded belongs to the task that calls, and its context is not on another loop.
    """

    def __init__(self, blocking: Callable[P, R], waiting: Callable[P, Awaitable[R]]) -> None:
        self.__wrapped__ = blocking
        self.__doc__ = blocking.__doc__
        self.__name__ = blocking.__name__
        self._waiting = waiting

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._waiting(*args, **kwargs)


@trace
def durable_now() -> int:
    """Microseconds since the epoch, the same after a restart."""
    return clock.now_us()


@trace
async def durable_now_async() -> int:
    """The same for coroutines."""
    return clock.now_us()


@trace
def durable_sleep(seconds: float) -> int:
    """When a sleep that begins now will end, in microseconds since the epoch; the same after a restart."""
    return clock.now_us() + round(seconds * _MICROS)


@trace
async def durable_sleep_async(seconds: float) -> int:
    """The same for coroutines."""
    return clock.now_us() + round(seconds * _MICROS)


def _sleep(seconds: float) -> None:
    """Do nothing for a while; a restart of the task does not begin it again.

    Args:
        seconds: how long.

    Raises:
        DefinitionError: it is negative, or no number.

    Example:
        >>> flyte.durable.sleep(600)             # in a plain task
        >>> await flyte.durable.sleep.aio(600)   # in a coroutine
    """
    end = durable_sleep(_checked(seconds))
    while (left := _left(end)) > 0:
        sleep_blocking(left)


async def _sleep_async(seconds: float) -> None:
    end = await durable_sleep_async(_checked(seconds))
    while (left := _left(end)) > 0:  # noqa: ASYNC110 - the end is a moment, which no event tells
        await asyncio.sleep(left)


def _left(end: int) -> float:
    """Seconds to sleep now: looked at again each minute, so that a machine's suspension does not add to the sleep."""
    return min((end - clock.now_us()) / _MICROS, _LONGEST_NAP_SECONDS)


def _seconds() -> float:
    """Seconds since the epoch, as `time.time()`; after a restart of the task the same again."""
    return durable_now() / _MICROS


async def _seconds_async() -> float:
    return await durable_now_async() / _MICROS


def _moment() -> datetime:
    """The present moment in UTC; after a restart of the task the same again."""
    return datetime.fromtimestamp(durable_now() / _MICROS, UTC)


async def _moment_async() -> datetime:
    return datetime.fromtimestamp(await durable_now_async() / _MICROS, UTC)


def _checked(seconds: float) -> float:
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        raise errors.DefinitionError(
            f"flyte.durable.sleep({seconds!r}): pass a number of seconds, at least 0"
        )
    return float(seconds)


sleep = _Durable(_sleep, _sleep_async)
time = _Durable(_seconds, _seconds_async)
now = _Durable(_moment, _moment_async)
