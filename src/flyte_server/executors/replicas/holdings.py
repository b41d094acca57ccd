"""The attempts of this executor, each from its launch until its end is committed."""

from flyte_server.clock import Clock
from flyte_server.domain import errors
from flyte_server.domain.events import Event, Failed, Lost, Succeeded
from flyte_server.domain.records import AttemptKey
from flyte_server.engine.ports import Report
from flyte_server.executors.common.delivery import Delivery
from flyte_server.executors.common.jobs import Jobs
from flyte_server.executors.replicas.replica import Held, Replica


class Holdings:
    """Says how attempts end, and forgets them when that is committed.

    Args:
        report: the engine's `apply`.
        clock: for the times of events, and for pauses.
        jobs: what goes on beside.
    """

    def __init__(self, report: Report, clock: Clock, jobs: Jobs) -> None:
        self._report = report
        self._clock = clock
        self._jobs = jobs
        self._delivery = Delivery(report, clock)
        self.by_key = dict[AttemptKey, Held]()

    def lose(self, held: Held, reason: str) -> None:
        """Nobody executes it any more."""
        self.finish(held, Lost(held.key, reason, self._clock.now_us()))

    def finish(self, held: Held, event: Failed | Lost) -> None:
        """It has ended without a report of its replica."""
        if not held.over:
            held.over = True
            self._jobs.start(self._commit(held, event))

    async def inherit(self, held: Held, sentence: str) -> None:
        """Its replica is gone: commit what that has said of its end, or that it is lost."""
        held.over = True
        await self._commit(held, held.end or Lost(held.key, sentence, self._clock.now_us()))

    async def note(self, event: Event) -> None:
        """Pass on what a replica reports; a store that fails is the replica's to hear, it asks again."""
        try:
            await self._report(event)
        except errors.Unreadable:
            # Its row waits for a person: the replica need not.
            self._jobs.start(self._delivery.deliver(event))

    async def note_end(self, replica: Replica, event: Succeeded | Failed) -> None:
        """`note`, then forget the attempt."""
        await self.note(event)
        if replica.held.pop(event.attempt, None) is not None:
            self.by_key.pop(event.attempt, None)

    async def _commit(self, held: Held, event: Event) -> None:
        await self._delivery.deliver(event)
        self.by_key.pop(held.key, None)
        if held.replica is not None:
            held.replica.held.pop(held.key, None)
