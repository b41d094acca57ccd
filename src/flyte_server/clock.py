"""The server's only view of time; a test hands in another one."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where moments come from.  Implemented by `RealClock` and by the clock of the tests."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC; may jump ahead, never goes back."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


class RealClock:
    """The machine's clock, made steady.

    When the wall clock is set back, what is queued "for now" would suddenly lie in the future and
    wait.  So it goes on from where it was; when the wall clock jumps ahead (a laptop wakes up), it
    follows.
    """

    def __init__(self) -> None:
        self._last_us = 0
        self._last_monotonic_ns = time.monotonic_ns()

    def now_us(self) -> int:
        monotonic_ns = time.monotonic_ns()
        steady_us = self._last_us + (monotonic_ns - self._last_monotonic_ns) // 1_000
        now = max(time.time_ns() // 1_000, steady_us)
        self._last_us, self._last_monotonic_ns = now, monotonic_ns
        return now

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class NeverBefore:
    """A clock that does not go back behind a moment, because rows of it are there already.

    What was queued "for now" before the machine's clock was set back would lie in the future and never begin.

    Args:
        clock: the machine's.
        moment_us: the latest moment in the rows.
    """

    def __init__(self, clock: Clock, moment_us: int) -> None:
        self._clock = clock
        self._moment_us = moment_us
        self._since = clock.monotonic()

    def now_us(self) -> int:
        elapsed_us = int((self._clock.monotonic() - self._since) * 1_000_000)
        return max(self._clock.now_us(), self._moment_us + elapsed_us)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
