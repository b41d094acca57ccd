"""Clocks for tests: one that follows the event loop's (virtual) time, one that is set by hand."""

import asyncio

START_US = 1_750_000_000_000_000


class LoopClock:
    """Follows the loop's own time.  With the mark `looptime` waiting costs nothing and is exact.

    Example:
        @pytest.mark.looptime
        async def test_hours() -> None:
            clock = LoopClock()
            await clock.sleep(3_600)
    """

    def __init__(self) -> None:
        self.offset_us = 0
        """Add to it to make the wall clock jump; the monotonic one stays true."""

    def now_us(self) -> int:
        return START_US + self.offset_us + round(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """Stands still until a test moves it; sleeping moves it too."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def monotonic(self) -> float:
        return self._now_us / 1_000_000

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_us += round(seconds * 1_000_000)
