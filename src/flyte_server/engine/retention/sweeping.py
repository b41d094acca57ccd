"""What belongs to no run any more: uploads, specifications, directories without rows, and what processes left."""

import asyncio
import logging

from flyte_server.blobs import kept
from flyte_server.blobs.kept import KeptFiles
from flyte_server.clock import Clock
from flyte_server.engine.retention.limits import DAY_US
from flyte_server.engine.retention.pins import Pins
from flyte_server.engine.retention.removal import ROWS_AT_ONCE
from flyte_server.store import retention
from flyte_server.store.database import Database

UPLOADS_KEPT_US = 7 * DAY_US
"""Longer than any client believes that what it has sent is still there (a day)."""
_NOBODYS_KEPT_US = 7 * DAY_US
_BROKEN_OFF_KEPT_US = DAY_US
_US = 1_000_000

_logger = logging.getLogger(__name__)


class Sweeping:
    """Looks for what nothing refers to."""

    def __init__(self, database: Database, clock: Clock, *, files: KeptFiles, pins: Pins) -> None:
        self._database = database
        self._clock = clock
        self._files = files
        self._pins = pins

    async def sweep(self) -> None:
        """Remove it."""
        await self._specs()
        await self._uploads()
        await self._places()
        await asyncio.to_thread(self._leftovers, self._before(_BROKEN_OFF_KEPT_US))
        await self._unpacked()

    async def _specs(self) -> None:
        while unused := await self._database.read(retention.unused_specs, ROWS_AT_ONCE):
            if not await self._database.write(retention.drop_specs, unused):
                return

    async def _uploads(self) -> None:
        """Uploads that are old and that neither inputs nor specifications of what is kept name."""
        before = self._before(UPLOADS_KEPT_US)
        old = await asyncio.to_thread(
            lambda: [unit for unit, sent_at in self._files.uploads() if sent_at < before]
        )
        if not old:
            return
        used = (await self._pins.by_inputs()).units | await self._pins.by_specs()
        gone = [unit for unit in old if unit not in used]
        await asyncio.to_thread(self._drop, gone, before)

    def _drop(self, units: list[str], before: float) -> None:
        for unit in units:
            sent_at = self._files.last_sent(unit)
            if sent_at is not None and sent_at < before:  # else it was just sent, or used, again
                self._files.drop_upload(unit)

    async def _places(self) -> None:
        """Directories of runs that have no row, as they are left by an interrupted creation or a restored database."""
        before = self._before(_NOBODYS_KEPT_US)
        projects = await self._database.read(retention.projects)
        found = await asyncio.to_thread(
            lambda: [place for place, at in self._files.run_places(projects) if at < before]
        )
        for place in sorted(set(found)):
            project, domain, name = place.split("/", 2)
            if await self._database.read(retention.number, project, domain, name) is None:
                _logger.info("no run has the files in %s: they are removed", place)
                await asyncio.to_thread(self._files.discard, place)

    def _leftovers(self, before: float) -> None:
        for path in list(self._files.leftovers(before)):
            kept.delete(path)

    async def _unpacked(self) -> None:
        """Unpacked code that no task has begun with since before the oldest run that goes on."""
        begun = [run.id for run in await self._database.read(retention.unended)]
        if begun:
            return  # whoever runs may still import from there
        before = self._before(UPLOADS_KEPT_US)
        for path in await asyncio.to_thread(lambda: list(self._files.unpacked(before))):
            await asyncio.to_thread(kept.delete, path)

    def _before(self, age_us: int) -> float:
        return (self._clock.now_us() - age_us) / _US
