"""Compares what the rows say with what the executor holds, and makes the one follow from the other.

Nothing here is remembered across a restart, and nothing is done only once: every look starts from
the rows.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

from flyte_server.clock import Clock
from flyte_server.domain import errors
from flyte_server.domain.events import Lost
from flyte_server.domain.records import Action, ActionKey, AttemptKey
from flyte_server.domain.silence import Silence
from flyte_server.engine.aside import Aside
from flyte_server.engine.bus import ABORTS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.leases import Leases
from flyte_server.engine.ports import Executor
from flyte_server.engine.timekeeper import Timekeeper
from flyte_server.store import actions, leases
from flyte_server.store.database import Database

_LOOK_SECONDS = 5.0
_SOON_SECONDS = 1.0
"""Next look when something was seen that a second look must confirm."""
_BREATH_SECONDS = 0.05
"""Shortest time between two looks, however often the bus wakes."""
_MISSING_SECONDS = 3.0
"""An attempt of ours that nobody holds for so long is lost; a process that no row wants for so long
is killed.  Counted while we are awake: after a sleep the hosts are heard first."""
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL, unless something else is set."""
_ANSWER_SECONDS = 20.0
"""How long the executor may think about a kill, beyond the grace, before it is asked again."""


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
        grace_seconds: how long a process may take to end by itself, before it is killed.
        others: how the workers of other control planes are; None: there can be no others.
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
        grace_seconds: float = GRACE_SECONDS,
        others: Leases | None = None,
    ) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._executor = executor
        self._launching = launching
        self._grace_seconds = grace_seconds
        self._others = others
        self._aside = Aside(clock, engine)
        self._timekeeper = Timekeeper(database, engine, bus=bus, clock=clock)
        self._suspects: frozenset[AttemptKey] = frozenset()
        self._missing = Silence[AttemptKey](_SOON_SECONDS)
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
        await self._engine.abort_children(
            parent, f"aborted by the control plane: its parent {parent.name} has ended"
        )

    async def _compare(self, tasks: asyncio.TaskGroup) -> None:
        # The rows first: what is claimed and launched after this read is only suspected.
        found = await self._database.read(actions.live)
        await self._aside.leave(found.broken)
        rows = {_attempt_key(action): action for action in found}
        alive = await self._executor.alive()
        held = frozenset(alive)
        launching = frozenset(self._launching())
        # One on its way stays suspected, so that it is looked at again soon.
        self._suspect((rows.keys() - held) | (held - rows.keys()))
        for attempt, action in rows.items():
            if attempt in held - launching and _is_stopped(action):
                self._kill(attempt, tasks)
        for attempt in [key for key in alive if key not in rows]:
            if self._is_confirmed(attempt) and await self._is_unwanted(attempt):
                self._kill(attempt, tasks)
        parents = {ActionKey(row.run_id, row.parent or "") for row in rows.values()}
        missing = {
            key: row
            for key, row in rows.items()
            if key not in held | launching and not (row.aborting is not None and row.key in parents)
        }  # an aborted one whose process has ended waits for the last of its children
        if await self._executor.settled():
            await self._judge(missing, tasks)

    async def _judge(self, missing: Mapping[AttemptKey, Action], tasks: asyncio.TaskGroup) -> None:
        """Attempts that we do not hold: ours are lost, what is left of them is ended; those of
        another control plane are its own as long as their leases hold."""
        holders = await self._database.read(leases.holders) if missing else {}
        known = {attempt: holders[attempt] for attempt in missing if attempt in holders}
        foreign = {attempt for attempt, worker in known.items() if self._is_foreign(worker)}
        if self._others is not None:
            await self._others.doubt({known[attempt] for attempt in foreign})
        for attempt, worker in known.items():
            if attempt in foreign:
                await self._aside.attempt(attempt, self._lose_silent, attempt, worker)
            elif _is_stopped(missing[attempt]) or self._is_confirmed(attempt):
                self._kill(attempt, tasks)

    async def _is_unwanted(self, attempt: AttemptKey) -> bool:
        """Whether no row wants a process: not so while its row cannot be read."""
        try:
            await self._database.read(actions.load, attempt.run_id, attempt.action)
        except errors.Unreadable:
            return False
        return True

    def _is_foreign(self, worker: str) -> bool:
        return self._others is not None and self._others.is_foreign(worker)

    def _suspect(self, attempts: Collection[AttemptKey]) -> None:
        self._suspects = frozenset(attempts)
        self._missing.keep(self._suspects)
        self._missing.tick(self._clock.monotonic())
        for attempt in attempts:
            self._missing.watch(attempt)

    def _is_confirmed(self, attempt: AttemptKey) -> bool:
        return self._missing.of(attempt) >= _MISSING_SECONDS

    def _kill(self, attempt: AttemptKey, tasks: asyncio.TaskGroup) -> None:
        if attempt in self._kills or self._aside.holds(attempt):
            return
        work = self._aside.attempt(attempt, self._end, attempt)
        task = self._kills[attempt] = tasks.create_task(work)
        task.add_done_callback(lambda _: self._kills.pop(attempt, None))

    async def _end(self, attempt: AttemptKey) -> None:
        async with asyncio.timeout(self._grace_seconds + _ANSWER_SECONDS):
            await self._executor.kill(attempt, self._grace_seconds)

    async def _lose_silent(self, attempt: AttemptKey, worker: str) -> None:
        silent = self._others.silence_of(worker) if self._others is not None else None
        if silent is not None:
            reason = f"{worker} of another control plane gave no sign of life for {silent:.0f} s"
            await self._engine.apply(Lost(attempt, reason, self._clock.now_us()))


def _is_stopped(action: Action) -> bool:
    return action.aborting is not None or action.stopping is not None


def _attempt_key(action: Action) -> AttemptKey:
    return AttemptKey(action.run_id, action.name, action.attempt, action.token)
