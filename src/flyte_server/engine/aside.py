"""Rows that made trouble are left alone for a while, so that they neither stop nor slow down the
others."""

import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import ParamSpec

from flyte_server.clock import Clock
from flyte_server.domain import errors
from flyte_server.domain.records import ActionKey, AttemptKey
from flyte_server.engine.engine import Engine
from flyte_server.store.rows import Broken

P = ParamSpec("P")

_logger = logging.getLogger(__name__)


class Aside:
    """What is set aside, and until when; grows with every further failure of the same key.

    Args:
        clock: the time.
        engine: writes down what is set aside and why, for people; None: nobody does.
    """

    def __init__(
        self,
        clock: Clock,
        engine: Engine | None = None,
        *,
        first_seconds: float = 10.0,
        longest_seconds: float = 300.0,
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._first = first_seconds
        self._longest = longest_seconds
        self._until: dict[Hashable, tuple[float, float]] = {}
        self._store_fails = False

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
        """Await `work(…)`; a failure sets `key` aside, is logged the first time, and goes no further.

        A store that fails is nobody's fault: then nothing is set aside, the next look tries again.
        """
        try:
            await work(*args, **kwargs)
        except errors.Unavailable as error:
            self._note_store(error)
        except Exception as error:
            is_new = key not in self._until
            pause = self._put(key)
            level = logging.ERROR if is_new else logging.DEBUG
            _logger.log(level, "%s failed and is left alone for %g s", key, pause, exc_info=is_new)
            await self._tell(key, f"{type(error).__name__}: {error}")
        else:
            self._store_fails = False
            if key in self._until and await self._tell(key, None):
                self._until.pop(key, None)

    async def leave(self, broken: Iterable[Broken]) -> None:
        """Write down rows that could not be read."""
        for row in broken:
            if self._engine is not None and not self.holds(row.subject):
                self._put(row.subject)
                await self._tell(row, row.error)

    def _put(self, key: Hashable) -> float:
        _, before = self._until.get(key, (0.0, 0.0))
        pause = min(self._longest, 2 * before or self._first)
        self._until[key] = (self._clock.monotonic() + pause, pause)
        return pause

    def _note_store(self, error: errors.Unavailable) -> None:
        if not self._store_fails:
            _logger.warning(
                "the store fails, what it keeps from being done is tried again: %s", error
            )
        self._store_fails = True

    async def _tell(self, key: Hashable, error: str | None) -> bool:
        """Write down that something failed, or (None) that it works again; whether that is written now."""
        if self._engine is None:
            return True
        subject, about = _subject(key)
        try:
            if error is None:
                await self._engine.heal(subject)
            else:
                await self._engine.set_aside(subject, about, error)
        except Exception as failure:  # noqa: BLE001 - it is a note for people, the work goes on
            _logger.warning("that %s is set aside could not be written down: %s", subject, failure)
            return False
        return True


def _subject(key: Hashable) -> tuple[str, ActionKey | None]:
    """The name under which something is set aside, and the action that it is about."""
    match key:
        case Broken():
            return key.subject, ActionKey(key.run_id, key.action)
        case ActionKey():
            return f"end {key.run_id}/{key.name}", key
        case AttemptKey():
            about = ActionKey(key.run_id, key.action)
            return f"end {key.run_id}/{key.action}/{key.number}", about
        case _:
            return str(key), None
