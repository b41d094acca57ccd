"""A build that goes on: its progress, for as many as want to see it, and how it ended."""

import asyncio
import contextlib
from dataclasses import dataclass, field

_KEPT_LINES = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody who watches has not seen yet."""

    lines: list[str]
    next: int
    """Ask from here the next time."""
    ended: bool
    error: str
    """Why it failed; empty if it did not."""


@dataclass(slots=True, eq=False)
class Build:
    """One environment in the making."""

    digest: str
    error: str = ""
    ended: bool = False
    ended_at: float = 0.0
    """By the monotonic clock."""
    task: asyncio.Task[None] | None = None
    _lines: list[str] = field(default_factory=list[str])
    _dropped: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, line: str) -> None:
        """One more line of progress."""
        self._lines.append(line)
        if len(self._lines) > _KEPT_LINES:
            del self._lines[0]
            self._dropped += 1
        self._wake()

    def end(self, error: str, now: float) -> None:
        """It is over; with an error it has failed."""
        self.error, self.ended, self.ended_at = error, True, now
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def seen(self, after: int) -> Seen:
        """What there is from the line with this number on."""
        there = self._dropped + len(self._lines)
        lines = self._lines[max(after - self._dropped, 0) :]
        return Seen(lines, there, self.ended, self.error)

    async def watch(self, after: int, seconds: float) -> Seen:
        """The same, as soon as there is something, or the time is up."""
        if not self.ended and not self.seen(after).lines:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        return self.seen(after)

    async def over(self) -> None:
        """Wait for its end."""
        while not self.ended:
            await self._news.wait()
