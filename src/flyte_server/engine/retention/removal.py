"""How a run goes: out of sight at once, its rows bit by bit, its files at leisure.

One transaction takes the run's name away and, while it is open, moves its directories out of the way.  A kill before
the commit is found by the next look, which moves them back; a kill after it leaves a run that nobody finds, whose rows
and files the next look goes on deleting.  So there is never a run without its files, nor a file that stays for ever.
"""

import asyncio
import logging
from collections.abc import Callable

from flyte_server.blobs.kept import KeptFiles
from flyte_server.clock import Clock
from flyte_server.domain.errors import Conflict, NotFound
from flyte_server.engine import bus
from flyte_server.engine.bus import Bus
from flyte_server.engine.retention.pins import Pins
from flyte_server.store import retention
from flyte_server.store.database import Database
from flyte_server.store.retention import KeptRun
from flyte_server.store.rows import Connection

ROWS_AT_ONCE = 50
"""So many go in a few milliseconds: whoever commits meanwhile does not notice."""
_BREATH_SECONDS = 0.02
_TRIES = 5

_logger = logging.getLogger(__name__)


def _nothing(run: KeptRun) -> None:
    pass


class Removal:
    """Removes runs, one at a time.

    Args:
        forget: called with every run that is gone, for those who remember runs.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        clock: Clock,
        files: KeptFiles,
        pins: Pins,
        forget: Callable[[KeptRun], None] = _nothing,
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._files = files
        self._pins = pins
        self._forget = forget
        self._one_at_a_time = asyncio.Lock()

    async def take(self, run: KeptRun, *, ended_by: int) -> bool:
        """Take a run out of everybody's sight; `finish` deletes it.

        Args:
            run: as `store.retention.removable` gave it.
            ended_by: as it was asked then.

        Returns:
            False when something has come to need it; then it stays (its cache entries may be gone).
        """
        async with self._one_at_a_time:
            while await self._database.write(retention.drop_entries, run, ROWS_AT_ONCE):
                await self._clock.sleep(_BREATH_SECONDS)
            for _ in range(_TRIES):  # each time a run has come meanwhile, its inputs are looked at
                pinned = await self._pins.by_inputs()
                if run.place in pinned.units:
                    return False
                if await self._set_aside(run, ended_by=ended_by, newest=pinned.newest):
                    self._forget(run)
                    self._bus.wake(bus.RUNS, bus.run_topic(run.id))
                    return True
            return False

    async def delete(self, project: str, domain: str, name: str) -> None:
        """Remove a run because somebody asks for it; its name is free afterwards.

        Raises:
            NotFound: there is no such run.
            Conflict: it has not ended, or another run needs its results.
        """
        number = await self._database.read(retention.number, project, domain, name)
        if number is None:
            raise NotFound(
                f"There is no run {name!r} in project {project!r}, domain {domain!r}; list the runs"
                " with 'flyte get run'."
            )
        now = self._clock.now_us()
        if number in {run.id for run in await self._database.read(retention.unended)}:
            raise Conflict(
                f"Run {name!r} has not ended; stop it first with 'flyte abort run {name}'."
            )
        found = await self._database.read(retention.removable, ended_by=now, limit=1, run_id=number)
        if not found or not await self.take(found[0], ended_by=now):
            raise Conflict(
                f"Run {name!r} stays, because another run took results of it (from the cache, by"
                " recovery, or as an input): delete that one first."
            )

    async def finish(self) -> None:
        """Go on with every removal that was begun, and undo what a kill has left half begun."""
        await self._undo()
        for run_id in await self._database.read(retention.aside):
            while await self._database.write(retention.drop_actions, run_id, ROWS_AT_ONCE):
                await self._clock.sleep(_BREATH_SECONDS)
            await self._database.write(retention.drop_run, run_id)
        for name in await asyncio.to_thread(self._files.taken):
            if not await self._is_kept(name):
                await asyncio.to_thread(self._files.erase, name)

    async def _undo(self) -> None:
        async with self._one_at_a_time:
            for name in await asyncio.to_thread(self._files.taken):
                place = await self._place(name)
                if place is not None:
                    _logger.warning("the removal of run %s had not begun: its files are back", name)
                    await asyncio.to_thread(self._files.put_back, int(name), place)

    async def _is_kept(self, name: str) -> bool:
        async with self._one_at_a_time:  # nobody is just about to take it away
            return await self._place(name) is not None

    async def _place(self, name: str) -> str | None:
        if not name.isdecimal():
            return None
        return await self._database.read(retention.place, int(name))

    async def _set_aside(self, run: KeptRun, *, ended_by: int, newest: int) -> bool:
        try:
            return await self._database.write(
                _set_aside, self._files, run, ended_by=ended_by, newest=newest
            )
        except Exception:
            await asyncio.to_thread(self._files.put_back, run.id, run.place)
            raise


def _set_aside(
    connection: Connection, files: KeptFiles, run: KeptRun, *, ended_by: int, newest: int
) -> bool:
    if not retention.set_aside(connection, run, ended_by=ended_by, newest=newest):
        return False
    files.take(run.id, run.place)
    return True
