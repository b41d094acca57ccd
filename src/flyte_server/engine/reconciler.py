"""Compares what the rows say with what the executor holds, and makes the one follow from the other.

Nothing here is remembered across a restart, and nothing is done only once: every look starts from
the rows.
"""

import asyncio
from collections.abc import Callable, Collection

from flyte_server.clock import Clock
from flyte_server.domain.events import Lost
from flyte_server.domain.records import Action, ActionKey, AttemptKey
from flyte_server.engine.aside import Aside
from flyte_server.engine.bus import ABORTS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.ports import Executor
from flyte_server.engine.timekeeper import Timekeeper
from flyte_server.store import actions
from flyte_server.store.database import Database

_LOOK_SECONDS = 5.0
_SOON_SECONDS = 1.0
"""Next look when something was seen that a second look must confirm."""
_BREATH_SECONDS = 0.05
"""Shortest time between two looks, however often the bus wakes."""
_MISSING_SECONDS = 3.0
"""An attempt that nobody holds for so long is lost; a process that no row wants for so long is
killed."""
_GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""


def _nothing() -> Collection[AttemptKey]:
    return ()


class Reconciler:
    """Finds what is lost, kills what is to end, aborts what is forsaken; never stops.

    Args:
        database: where the rows are.
        engine: which moves them.
        bus: whose hints shorten the wait for the next look.
        clock: the time.
        executor: who holds the processes.
        launching: attempts that are on their way to the executor (`Scheduler.launching`).
    """

    def __init__(
        self,
        database: Database,
        engine: Engine,
        bus: Bus,
        *,
        clock: Clock,
        executor: Executor,
        launching: Callable[[], Collection[AttemptKey]] = _nothing,
    ) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._executor = executor
        self._launching = launching
        self._aside = Aside(clock)
        self._timekeeper = Timekeeper(database, engine, bus=bus, clock=clock)
        self._suspects: dict[AttemptKey, float] = {}
        self._kills: dict[AttemptKey, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        with self._bus.subscribe(ABORTS) as hints:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._timekeeper.run())
                while True:
                    soon = await self.look(tasks)
                    await self._clock.sleep(_BREATH_SECONDS)
                    await hints.wait(_SOON_SECONDS if soon else _LOOK_SECONDS)

    async def look(self, tasks: asyncio.TaskGroup) -> bool:
        """Compare once; kills are started in `tasks`.

        Returns:
            Whether the next look should be soon.
        """
        await self._aside.attempt("the look for forsaken children", self._abort_forsaken)
        await self._aside.attempt("the look at attempts", self._compare, tasks)
        return bool(self._suspects)

    async def _abort_forsaken(self) -> None:
        parents = await self._database.read(actions.forsaken_parents)
        await asyncio.gather(
            *(
                self._aside.attempt(parent, self._abort_children, parent)
                for parent in parents
                if not self._aside.holds(parent)
            )
        )

    async def _abort_children(self, parent: ActionKey) -> None:
        await self._engine.abort_children(parent, f"its parent {parent.name} has ended")

    async def _compare(self, tasks: asyncio.TaskGroup) -> None:
        # The rows first: what is claimed and launched after this read is only suspected.
        rows = {_attempt_key(action): action for action in await self._database.read(actions.live)}
        held = frozenset(await self._executor.alive())
        launching = frozenset(self._launching())
        self._suspect((rows.keys() - held) | (held - rows.keys()))
        for attempt, action in rows.items():
            if attempt in launching or self._aside.holds(attempt):
                continue  # one on its way stays suspected, so it is looked at again soon
            if action.aborting is not None or action.stopping is not None:
                self._kill(attempt, tasks)
            if attempt not in held and self._is_confirmed(attempt):
                await self._aside.attempt(attempt, self._lose, attempt)
        for attempt in held - rows.keys():
            if self._is_confirmed(attempt) and not self._aside.holds(attempt):
                self._kill(attempt, tasks)

    def _suspect(self, attempts: Collection[AttemptKey]) -> None:
        now = self._clock.monotonic()
        self._suspects = {attempt: self._suspects.get(attempt, now) for attempt in attempts}

    def _is_confirmed(self, attempt: AttemptKey) -> bool:
        return self._clock.monotonic() - self._suspects[attempt] >= _MISSING_SECONDS

    def _kill(self, attempt: AttemptKey, tasks: asyncio.TaskGroup) -> None:
        if attempt in self._kills:
            return
        work = self._aside.attempt(attempt, self._end, attempt)
        task = self._kills[attempt] = tasks.create_task(work)
        task.add_done_callback(lambda _: self._kills.pop(attempt, None))

    async def _end(self, attempt: AttemptKey) -> None:
        async with asyncio.timeout(3 * _GRACE_SECONDS):
            await self._executor.kill(attempt, _GRACE_SECONDS)

    async def _lose(self, attempt: AttemptKey) -> None:
        reason = "its process is gone and nobody knows how it ended"
        await self._engine.apply(Lost(attempt, reason, self._clock.now_us()))


def _attempt_key(action: Action) -> AttemptKey:
    return AttemptKey(action.run_id, action.name, action.attempt, action.token)
