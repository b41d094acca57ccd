"""Ends actions whose time limits are hit."""

import asyncio

from flyte_server.clock import Clock
from flyte_server.domain import limits
from flyte_server.domain.records import Action
from flyte_server.engine.aside import Aside
from flyte_server.engine.bus import LIMITS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.store import actions
from flyte_server.store.database import Database

_TICK_SECONDS = 10.0
_STUCK_SECONDS = 1.0
"""Pause when the earliest limit is over and yet stays: its row is set aside."""


class Timekeeper:
    """Sleeps until the earliest limit of all actions, woken when there is an earlier one."""

    def __init__(self, database: Database, engine: Engine, *, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._aside = Aside(clock)

    async def run(self) -> None:
        """Work until cancelled."""
        with self._bus.subscribe(LIMITS) as changes:
            while True:
                pauses: list[float] = []
                await self._aside.attempt("the look at time limits", self._look, pauses)
                await changes.wait(min(pauses, default=_STUCK_SECONDS))

    async def _look(self, pauses: list[float]) -> None:
        over = await self._database.read(actions.over_limit, self._clock.now_us())
        await asyncio.gather(
            *(
                self._aside.attempt(action.key, self._end, action)
                for action in over
                if not self._aside.holds(action.key)
            )
        )
        next_at = await self._database.read(actions.next_limit_at)
        pauses.append(self._pause_seconds(next_at))

    async def _end(self, action: Action) -> None:
        event = limits.hit(action, self._clock.now_us())
        if event is not None:
            await self._engine.apply(event)

    def _pause_seconds(self, next_at: int | None) -> float:
        if next_at is None:
            return _TICK_SECONDS
        seconds = (next_at - self._clock.now_us()) / 1_000_000
        return min(seconds, _TICK_SECONDS) if seconds > 0 else _STUCK_SECONDS
