"""Telling the engine what happened, until it has committed it."""

import logging

from flyte_server.clock import Clock
from flyte_server.domain.events import Event
from flyte_server.engine.ports import Report

_log = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class Delivery:
    """Tells the engine, and does not give up."""

    def __init__(self, report: Report, clock: Clock) -> None:
        self._report = report
        self._clock = clock

    async def deliver(self, event: Event) -> None:
        """Return once the event is committed.

        A store that fails is asked again; the worker remembers meanwhile.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._report(event)
            except Exception:  # noqa: BLE001 - a process's edge: nothing else would try again
                _log.exception("could not report %s; trying again in %.1f s", event, pause)
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                return
