"""From what hosts say to what the engine is told, until the engine has committed it."""

import logging

from flyte_server.clock import Clock
from flyte_server.domain.events import Event, Failed, Parked, Succeeded
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.engine.ports import PARKED_EXIT, Exit, Report, Verdicts
from flyte_server.executors.common.delivery import Delivery
from flyte_server.executors.common.limits.watched import Measured
from flyte_server.executors.process.connection import Message, attempt_key

_log = logging.getLogger(__name__)


class Reports:
    """Tells the engine, and does not give up."""

    def __init__(self, report: Report, verdicts: Verdicts, clock: Clock) -> None:
        self._delivery = Delivery(report, clock)
        self._verdicts = verdicts

    async def deliver(self, event: Event) -> None:
        """Return once the event is committed."""
        await self._delivery.deliver(event)

    async def end_of(self, exited: Message, measured: Measured) -> Event:
        """What the end of a process means for its attempt."""
        key, at, started_at = attempt_key(exited), exited["at"], exited["started_at"]
        if exited["code"] == PARKED_EXIT and measured.overrun is None:
            awaits = await self._verdicts.awaited(exited["output_prefix"])
            if awaits:
                return Parked(key, at, awaits, started_at=started_at, usage=measured.usage)
        failure = await self._failure(exited, measured)
        if failure is None:
            return Succeeded(key, at, started_at=started_at, usage=measured.usage)
        return Failed(key, failure, at, started_at=started_at, usage=measured.usage)

    async def _failure(self, exited: Message, measured: Measured) -> Failure | None:
        ending = Exit(
            exited["code"],
            exited["signal"],
            exited["detail"],
            overrun=measured.overrun,
            usage=measured.usage,
            scene=exited.get("scene", ""),
        )
        prefix = exited["output_prefix"]
        try:
            return await self._verdicts.of(prefix, ending)
        except Exception as error:  # noqa: BLE001 - a process's edge: an attempt must end somehow
            _log.exception("could not read what the attempt in %s left behind", prefix)
            message = f"what the attempt left in {prefix} cannot be read: {error}"
            return Failure("VerdictUnreadable", message, Blame.SYSTEM)
