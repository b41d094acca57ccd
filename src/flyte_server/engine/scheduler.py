"""Claims what is due and hands it to the executor."""

import asyncio
import logging
from collections.abc import Callable, Collection

from flyte_server.clock import Clock
from flyte_server.domain.errors import CannotLaunch
from flyte_server.domain.events import Event, Failed, Lost
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Action, AttemptKey, Failure
from flyte_server.engine.bus import ABORTS, QUEUE, Bus, Subscription
from flyte_server.engine.changes import Claims
from flyte_server.engine.engine import Engine
from flyte_server.engine.ports import Executor, LaunchSpecs
from flyte_server.store import actions
from flyte_server.store.database import Database

LAUNCH_FAILED = "LaunchFailed"
_TICK_SECONDS = 10.0
"""Safety net below the bus: the longest time without a look at the queue."""
_AFTER_TROUBLE_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class Scheduler:
    """Starts queued actions while there are free slots; woken by the bus and by due moments.

    Example:
        scheduler = Scheduler(
            database, engine, bus, clock=clock, executor=executor, launch_specs=specs
        )
        task = asyncio.create_task(scheduler.run())
    """

    def __init__(
        self,
        database: Database,
        engine: Engine,
        bus: Bus,
        *,
        clock: Clock,
        executor: Executor,
        launch_specs: LaunchSpecs,
        alone: bool = True,
        may_claim: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._executor = executor
        self._launch_specs = launch_specs
        self._alone = alone
        """Whether no other control plane works on this store: aborts of another one wake nobody here."""
        self._may_claim = may_claim
        """Whether the others know that we are alive (`Leases.hold`)."""
        self._launching: set[AttemptKey] = set()

    @property
    def launching(self) -> Collection[AttemptKey]:
        """Attempts that were claimed and that the executor does not hold yet."""
        return self._launching

    async def run(self) -> None:
        """Work until cancelled; launches that are going on are cancelled too."""
        with self._bus.subscribe(QUEUE) as queue, self._bus.subscribe(ABORTS) as aborts:
            async with asyncio.TaskGroup() as launches:
                while True:
                    pause = await self._look(launches, aborts)
                    await queue.wait(pause)

    async def _look(self, launches: asyncio.TaskGroup, aborts: Subscription) -> float:
        """Claim and launch what is due; gives the seconds until the next look at the latest."""
        seen = aborts.wakes
        if not self._may_claim():
            return _AFTER_TROUBLE_SECONDS
        try:
            claims = await self._engine.claim(self._engine.capacity)
        except Exception:
            _logger.exception("the queue could not be claimed from; trying again")
            return _AFTER_TROUBLE_SECONDS
        for action in claims.actions:
            attempt = _attempt_key(action)
            self._launching.add(attempt)
            launches.create_task(self._launch(action, attempt, aborts, seen=seen))
        return self._pause_seconds(claims)

    def _pause_seconds(self, claims: Claims) -> float:
        if claims.next_due_at is None:
            return _TICK_SECONDS
        until_due = (claims.next_due_at - self._clock.now_us()) / 1_000_000
        return min(_TICK_SECONDS, max(0.0, until_due))

    async def _launch(
        self, action: Action, attempt: AttemptKey, aborts: Subscription, *, seen: int
    ) -> None:
        try:
            spec = await self._launch_specs.of(action)
            if await self._still_wanted(action, aborts, seen):
                await self._executor.launch(spec)
            else:
                reason = "it was stopped before its process was started"
                await self._engine.apply(Lost(attempt, reason, self._clock.now_us()))
        except CannotLaunch as error:
            failure = Failure(error.code, str(error), Blame.USER, recoverable=False)
            await self._report(Failed(attempt, failure, self._clock.now_us()))
        except Exception as error:
            _logger.exception("attempt %s could not be launched", attempt)
            failure = Failure(LAUNCH_FAILED, f"{type(error).__name__}: {error}", Blame.SYSTEM)
            await self._report(Failed(attempt, failure, self._clock.now_us()))
        finally:
            self._launching.discard(attempt)

    async def _still_wanted(self, action: Action, aborts: Subscription, seen: int) -> bool:
        """Whether nobody stopped the attempt since its claim.

        An abort wakes its topic before its caller has the answer.  So when there was no wake there
        is nothing to read, if we are alone; and as nothing is awaited between the last look and the
        launch, nothing falls between.
        """
        has_looked = self._alone
        while aborts.wakes != seen or not has_looked:
            has_looked = True
            seen = aborts.wakes
            found = await self._database.read(actions.load, action.run_id, action.name)
            if found is None or found.token != action.token or _is_stopped(found):
                return False
        return not _is_stopped(action)

    async def _report(self, event: Event) -> None:
        try:
            await self._engine.apply(event)
        except Exception:
            _logger.exception("a failed launch could not be noted; the reconciler will find it")


def _attempt_key(action: Action) -> AttemptKey:
    return AttemptKey(action.run_id, action.name, action.attempt, action.token)


def _is_stopped(action: Action) -> bool:
    return action.phase.terminal or action.aborting is not None or action.stopping is not None
