"""Ends actions whose time limits are hit, and looks again at what is set aside."""

import asyncio
from dataclasses import dataclass

from flyte_server.clock import Clock
from flyte_server.domain import errors, limits
from flyte_server.domain.events import Slept
from flyte_server.domain.records import Action, ActionKey
from flyte_server.engine.aside import Aside
from flyte_server.engine.bus import LIMITS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.store import actions, aside
from flyte_server.store.aside import SetAside
from flyte_server.store.database import Database
from flyte_server.store.rows import Broken, Connection

_TICK_SECONDS = 10.0
_STUCK_SECONDS = 1.0
"""Pause when the earliest limit is over and yet stays: its row is set aside."""
_JUMP_SECONDS = 5.0
"""A wall clock that goes so far ahead of the time that passed did not run evenly: the machine slept, or it was set."""
_SEARCH_SECONDS = 300.0
"""Between two searches for rows that nothing else would find."""
_FORGOTTEN_US = 600_000_000
"""What is set aside and was not tried again for so long has no one who would."""


class Timekeeper:
    """Sleeps until the earliest limit of all actions, woken when there is an earlier one.

    Time that the machine slept is no time in which a task could run or be started: `max_runtime` and `max_queued_time`
    do not count it, nor a clock that is set.  The deadline is a moment, and counts it.
    """

    def __init__(self, database: Database, engine: Engine, *, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._aside = Aside(clock, engine)
        self._seen = (clock.now_us(), 0.0)
        """Wall clock and steady clock at the last look."""
        self._slept: list[Slept] = []
        """What must be noted before any limit is looked at again."""
        self._searched: float | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        self._seen = (self._clock.now_us(), self._clock.monotonic())
        with self._bus.subscribe(LIMITS) as changes:
            while True:
                pauses: list[float] = []
                await self._aside.attempt("the look at time limits", self._look, pauses)
                await changes.wait(min(pauses, default=_STUCK_SECONDS))

    async def _look(self, pauses: list[float]) -> None:
        await self._note_jump()
        over = await self._database.read(actions.over_limit, self._clock.now_us())
        await self._aside.leave(over.broken)
        await asyncio.gather(
            *(
                self._aside.attempt(action.key, self._end, action)
                for action in over
                if not self._aside.holds(action.key)
            )
        )
        following = await self._database.read(_following, search=self._is_time_to_search())
        pauses.append(self._pause_seconds(following.limit_at))
        await self._aside.attempt("the look at what is set aside", self._review, following)

    async def _end(self, action: Action) -> None:
        event = limits.hit(action, self._clock.now_us())
        if event is not None:
            await self._engine.apply(event)

    def _pause_seconds(self, next_at: int | None) -> float:
        if next_at is None:
            return _TICK_SECONDS
        seconds = (next_at - self._clock.now_us()) / 1_000_000
        return min(seconds, _TICK_SECONDS) if seconds > 0 else _STUCK_SECONDS

    async def _note_jump(self) -> None:
        """Put limits off by what the wall clock jumped since the last look."""
        (seen_us, seen), (now_us, now) = self._seen, (self._clock.now_us(), self._clock.monotonic())
        passed_us = round((now - seen) * 1_000_000)
        jump_us = now_us - seen_us - passed_us
        if abs(jump_us) > _JUMP_SECONDS * 1_000_000:
            # What has begun since belongs to the new time: it began after `seen + passed`, or does not lie ahead of it.
            concerned = (
                (lambda since: since <= seen_us + passed_us)
                if jump_us > 0
                else (lambda since: since > now_us)
            )
            for action in await self._database.read(actions.limited):
                since = limits.counted_since(action)
                if since is not None and concerned(since):
                    self._slept.append(Slept(action.key, action.attempt, jump_us))
        self._seen = (now_us, now)
        while self._slept:
            await self._note_slept(self._slept[-1])
            self._slept.pop()

    async def _note_slept(self, event: Slept) -> None:
        try:
            await self._engine.apply(event)
        except errors.Unreadable:
            return  # it is set aside, with everything else about it

    def _is_time_to_search(self) -> bool:
        now = self._clock.monotonic()
        if self._searched is not None and now - self._searched < _SEARCH_SECONDS:
            return False
        self._searched = now
        return True

    async def _review(self, following: "_Following") -> None:
        """Heal what works again, and set aside what nothing else would find."""
        for row in following.strange:
            key = ActionKey(row.run_id, row.action)
            await self._engine.set_aside(row.subject, key, row.error)
        for entry in following.set_aside:
            if entry.until <= self._clock.now_us():
                await self._try_again(entry)

    async def _try_again(self, entry: SetAside) -> None:
        if entry.run_id is None or entry.action is None:
            gone = entry.until + _FORGOTTEN_US <= self._clock.now_us()
        else:
            try:
                action = await self._database.read(actions.load, entry.run_id, entry.action)
            except errors.Unreadable as error:
                key = ActionKey(entry.run_id, entry.action)
                await self._engine.set_aside(entry.subject, key, str(error))
                return
            reads = entry.subject.startswith("read ")
            forgotten = entry.until + _FORGOTTEN_US <= self._clock.now_us()
            gone = action is None or action.phase.terminal or reads or forgotten
        if gone:
            await self._engine.heal(entry.subject, entry.key)


@dataclass(frozen=True, slots=True)
class _Following:
    """What to do after a look."""

    limit_at: int | None
    set_aside: list[SetAside]
    strange: list[Broken]
    """Rows that no other statement finds."""


def _following(connection: Connection, *, search: bool) -> _Following:
    """All in one look at the store: an idle control plane does next to nothing."""
    return _Following(
        actions.next_limit_at(connection),
        aside.listing(connection),
        aside.unknown_phases(connection) if search else [],
    )
