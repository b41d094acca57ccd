"""Rows that made trouble are left alone for a while, so that they neither stop nor slow down the
others."""

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import ParamSpec

from flyte_server.clock import Clock

P = ParamSpec("P")

_logger = logging.getLogger(__name__)


class Aside:
    """What is set aside, and until when; grows with every further failure of the same key."""

    def __init__(
        self, clock: Clock, *, first_seconds: float = 10.0, longest_seconds: float = 300.0
    ) -> None:
        self._clock = clock
        self._first = first_seconds
        self._longest = longest_seconds
        self._until: dict[Hashable, tuple[float, float]] = {}

    def holds(self, key: Hashable) -> bool:
        """Whether the key is to be left alone now."""
        until, _ = self._until.get(key, (0.0, 0.0))
        return until > self._clock.monotonic()

    async def attempt(
        self,
        key: Hashable,
        work: Callable[P, Awaitable[object]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Await `work(…)`; a failure is logged and sets `key` aside, and goes no further."""
        try:
            await work(*args, **kwargs)
        except Exception:
            pause = self._put(key)
            _logger.exception("%s failed and is left alone for %g s", key, pause)
        else:
            self._until.pop(key, None)

    def _put(self, key: Hashable) -> float:
        _, before = self._until.get(key, (0.0, 0.0))
        pause = min(self._longest, 2 * before or self._first)
        self._until[key] = (self._clock.monotonic() + pause, pause)
        return pause
