"""Starts the run of each tick; looks at rows, so that it has nothing to lose."""

import asyncio
import logging
from dataclasses import replace
from typing import Protocol

from flyte_server.clock import Clock
from flyte_server.domain import errors, retry
from flyte_server.domain.commands import NewRun
from flyte_server.domain.ids import tick_run_name
from flyte_server.domain.schedules import catching_up
from flyte_server.domain.schedules.records import Tick, Trigger
from flyte_server.engine.bus import TRIGGERS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.ticking import times
from flyte_server.store.catalogue import triggers
from flyte_server.store.database import Database

_LOOK_SECONDS = 10.0
"""Between two looks at most: other control planes write rows without waking us, and clocks jump."""
_SHORTEST_SECONDS = 0.05
_STORE_SECONDS = 1.0
"""Pause when the store fails."""
_AT_ONCE = 100
_RETRY_SECONDS = (10.0, 2.0, 300.0)
"""Pause before a tick is tried again: the first, how it grows, the longest."""

_logger = logging.getLogger(__name__)


class Commands(Protocol):
    """Makes runs of ticks; implemented by `services.runs.ticks`."""

    async def run_of(self, trigger: Trigger, moment: int, name: str) -> NewRun:
        """The run of a trigger's tick, under that name.

        Raises:
            errors.ControlPlaneError: its task, or something that it needs, is not there any more.
        """
        ...


class Ticker:
    """Waits for the next tick of all triggers, woken when there is an earlier one."""

    def __init__(
        self, database: Database, engine: Engine, bus: Bus, *, clock: Clock, commands: Commands
    ) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._commands = commands

    async def run(self) -> None:
        """Work until cancelled."""
        with self._bus.subscribe(TRIGGERS) as changes:
            while True:
                try:
                    pause = await self.look()
                except errors.Unavailable as error:
                    _logger.warning("ticks wait for the store: %s", error)
                    pause = _STORE_SECONDS
                await changes.wait(pause)

    async def look(self) -> float:
        """Do what is due; gives how many seconds to wait until the next look."""
        due = await self._database.read(triggers.due, self._clock.now_us(), _AT_ONCE)
        for unreadable in due.broken:
            await self._database.write(triggers.put_off, unreadable, self._retry_at(1))
            _logger.error("a trigger is left alone for a while: %s", unreadable.error)
        await asyncio.gather(*(self._step(trigger) for trigger in due.triggers))
        next_at = await self._database.read(triggers.next_due_at)
        if next_at is None:
            return _LOOK_SECONDS
        seconds = (next_at - self._clock.now_us()) / 1_000_000
        return min(max(seconds, _SHORTEST_SECONDS), _LOOK_SECONDS)

    async def _step(self, trigger: Trigger) -> None:
        """One step of one trigger; what is wrong with it stays its own."""
        try:
            await self._take(trigger)
        except errors.Unavailable:
            raise
        except Exception as error:
            unexpected = not isinstance(error, errors.ControlPlaneError)
            level = logging.ERROR if unexpected or not trigger.failures else logging.DEBUG
            _logger.log(level, "trigger %s cannot start its run", trigger.key, exc_info=unexpected)
            said = f"{type(error).__name__}: {error}" if unexpected else str(error)
            retry_at = self._retry_at(trigger.failures + 1)
            await self._database.write(triggers.note_failure, trigger, said, retry_at)

    async def _take(self, trigger: Trigger) -> None:
        due, now = trigger.next_tick, self._clock.now_us()
        if trigger.schedule is None or due is None:
            raise errors.Unreadable("its row has no schedule, but is due; deploy the trigger again")
        if due > now:
            return  # the clock was set back since the look
        step = catching_up.step(
            times.of(trigger.schedule), due, now, trigger.catch_up, failed=trigger.failures > 0
        )
        tick = Tick(trigger.key, trigger.revision, due, step.moment, step.following)
        if step.moment is None:
            _logger.info("trigger %s has missed ticks, which it does not want", trigger.key)
            await self._database.write(triggers.advance, tick)
            return
        name = tick_run_name(*trigger.key, step.moment)
        command = await self._commands.run_of(trigger, step.moment, name)
        if await self._engine.fire(replace(tick, run=name), command):
            _logger.info("trigger %s started run %s", trigger.key, name)

    def _retry_at(self, failures: int) -> int:
        return self._clock.now_us() + retry.backoff_us(*_RETRY_SECONDS, failures=failures)
