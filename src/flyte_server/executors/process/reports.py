"""From what hosts say to what the engine is told, until the engine has committed it."""

import logging

from flyte_server.clock import Clock
from flyte_server.domain.events import Event, Failed, Succeeded
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.engine.ports import Exit, Report, Verdicts
from flyte_server.executors.process.connection import Message, attempt_key

_log = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class Reports:
    """Tells the engine, and does not give up."""

    def __init__(self, report: Report, verdicts: Verdicts, clock: Clock) -> None:
        self._report = report
        self._verdicts = verdicts
        self._clock = clock

    async def deliver(self, event: Event) -> None:
        """Return once the event is committed.

        A store that fails is asked again; the host remembers meanwhile.
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

    async def end_of(self, exited: Message) -> Event:
        """What the end of a process means for its attempt."""
        key, at = attempt_key(exited), exited["at"]
        failure = await self._failure(exited)
        if failure is None:
            return Succeeded(key, at, started_at=exited["started_at"])
        return Failed(key, failure, at, started_at=exited["started_at"])

    async def _failure(self, exited: Message) -> Failure | None:
        ending = Exit(exited["code"], exited["signal"], exited["detail"])
        prefix = exited["output_prefix"]
        try:
            return await self._verdicts.of(prefix, ending)
        except Exception as error:  # noqa: BLE001 - a process's edge: an attempt must end somehow
            _log.exception("could not read what the attempt in %s left behind", prefix)
            message = f"what the attempt left in {prefix} cannot be read: {error}"
            return Failure("VerdictUnreadable", message, Blame.SYSTEM)
