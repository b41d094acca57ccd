"""The loop that keeps storage bounded: looks at rows, does a little, never stops."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from flyte_server.blobs.kept import KeptFiles
from flyte_server.clock import Clock
from flyte_server.engine.aside import Aside
from flyte_server.engine.bus import Bus
from flyte_server.engine.retention.limits import DAY_US, Calendar, Limits
from flyte_server.engine.retention.pins import Pins, References
from flyte_server.engine.retention.removal import Removal
from flyte_server.engine.retention.sweeping import Sweeping
from flyte_server.engine.retention.usage import Figures, Usage
from flyte_server.store import retention
from flyte_server.store.database import Database
from flyte_server.store.retention import KeptRun

_LOOK_SECONDS = 60.0
_SWEEP_SECONDS = 6 * 3600.0
_RUNS_AT_ONCE = 20
_CONSIDERED = 1000
_BACKED_UP = "backed_up_at"
_LARGEST_BACKUP = 1_000_000_000

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is occupied, what the limits are, and what goes next."""

    figures: Figures
    limits: Limits
    most_bytes: int
    """0: any amount."""
    paused_until: int | None
    """Until when nothing goes because of its age: the clock has leapt."""
    next_run: KeptRun | None
    """What would go first."""
    next_at: int | None
    """When, if nothing else happens; None: not because of its age."""
    largest: list[KeptRun]

    @property
    def excess(self) -> int:
        """Bytes above the limit."""
        return max(0, self.figures.counted - self.most_bytes) if self.most_bytes else 0


class Retention:
    """Removes what is too old or too much.

    Args:
        forget: called with every run that is gone.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        *,
        files: KeptFiles,
        references: References,
        limits: Limits,
        forget: Callable[[KeptRun], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self.limits = limits
        pins = Pins(database, references)
        self._pins = pins
        self.calendar = Calendar(database, clock)
        self.usage = Usage(database, clock, files)
        self.removal = Removal(database, bus, clock=clock, files=files, pins=pins, forget=forget)
        self._sweeping = Sweeping(database, clock, files=files, pins=pins)
        self._aside = Aside(clock)
        self._swept_at: float | None = None
        self._asked = asyncio.Event()
        self._told_excess = False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.look()
            self._asked.clear()
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Do what is due now; a failure of one part does not keep the others from theirs."""
        await self._aside.attempt("the look at the clock", self.calendar.look)
        await self._aside.attempt("the end of removals", self.removal.finish)
        await self._aside.attempt("the measuring of runs", self.usage.measure)
        await self._aside.attempt("the removal of old runs", self._remove_old)
        await self._aside.attempt("the making of room", self._make_room)
        await self._aside.attempt("the sweep", self._sweep)
        await self._aside.attempt("the daily copy of the database", self._back_up)

    async def delete(self, project: str, domain: str, name: str) -> None:
        """Remove a run because somebody asks for it; see `Removal.delete`."""
        await self.removal.delete(project, domain, name)
        self._asked.set()

    async def outlook(self, *, largest: int) -> Outlook:
        """What is occupied and what goes next, for people."""
        await self.usage.measure()
        figures = await self.usage.figures()
        now = self._clock.now_us()
        waiting = await self._candidates(now)
        run = waiting[0] if waiting else None
        next_at = None
        if run is not None and run.ended_at is not None and self.limits.days:
            due = run.ended_at + int(self.limits.days * DAY_US)
            next_at = max(due, now, self.calendar.paused_until or 0)
        return Outlook(
            figures=figures,
            limits=self.limits,
            most_bytes=self.limits.most_bytes(figures.disk),
            paused_until=self.calendar.paused_until,
            next_run=run,
            next_at=next_at,
            largest=await self._database.read(retention.largest, largest),
        )

    async def _remove_old(self) -> None:
        ended_by = self.limits.too_old(self._clock.now_us())
        if ended_by is None or self.calendar.paused_until is not None:
            return
        for run in (await self._candidates(ended_by))[:_RUNS_AT_ONCE]:
            await self._take(run, ended_by, "is too old")
        await self.removal.finish()

    async def _make_room(self) -> None:
        figures = await self.usage.figures()
        most = self.limits.most_bytes(figures.disk)
        excess = figures.counted - most if most else 0
        if excess <= 0:
            self._told_excess = False
            return
        ended_by = self.limits.may_go(self._clock.now_us())
        for run in (await self._candidates(ended_by))[:_RUNS_AT_ONCE]:
            if excess <= 0:
                break
            if run.bytes is not None and await self._take(run, ended_by, "has to make room"):
                excess -= run.occupies
        await self.removal.finish()
        if excess > 0 and not self._told_excess:
            _logger.warning(
                "%d bytes more than FLYTE_SERVER_KEEP_GB allows are needed by runs that go on, have just ended, or"
                " whose results others use; 'flyte get storage' shows them",
                excess,
            )
            self._told_excess = True

    async def _candidates(self, ended_by: int) -> list[KeptRun]:
        found = await self._database.read(retention.removable, ended_by=ended_by, limit=_CONSIDERED)
        if not found:
            return []
        pinned = await self._pins.by_inputs()
        return [run for run in found if run.place not in pinned.units]

    async def _take(self, run: KeptRun, ended_by: int, why: str) -> bool:
        taken = await self.removal.take(run, ended_by=ended_by)
        if taken:
            _logger.info("run %s %s and is removed (%d bytes)", run.place, why, run.occupies)
        return taken

    async def _sweep(self) -> None:
        now = self._clock.monotonic()
        if self._swept_at is not None and now - self._swept_at < _SWEEP_SECONDS:
            return
        if self.calendar.paused_until is not None or not self.limits.days:
            return
        await self._sweeping.sweep()
        self._swept_at = now

    async def _back_up(self) -> None:
        now = self._clock.now_us()
        last = await self._database.read(retention.mark, _BACKED_UP) or 0
        if self._database.path is None or 0 <= now - last < DAY_US:
            return
        totals = await self._database.read(retention.totals)
        if totals.runs and totals.database_bytes <= _LARGEST_BACKUP:
            await self._database.back_up()
            await self._database.write(retention.set_mark, _BACKED_UP, now)
