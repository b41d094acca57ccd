"""What is occupied: sums of what rows know of ended runs, and a look at the rest, the rarer the longer it takes."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from flyte_server.blobs import kept
from flyte_server.blobs.kept import KeptFiles
from flyte_server.clock import Clock
from flyte_server.store import retention
from flyte_server.store.database import Database
from flyte_server.store.file import backups
from flyte_server.store.retention import KeptRun, Totals
from flyte_server.store.rows import Connection

_LONGEST_FRESH_SECONDS = 3600.0
_SHARE = 100
"""A look that took a second is good for a hundred: an idle control plane does next to nothing."""
_MEASURED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What is occupied, in bytes."""

    runs: int
    """How many runs there are."""
    database: int
    backups: int
    data: int
    """Inputs, outputs and files of runs."""
    cached: int
    """Of `data`, those of runs whose results the cache has."""
    logs: int
    uploads: int
    """Code bundles, inputs and files that clients have sent."""
    work: int
    """What hosts and task processes work with, and what is just being removed."""
    local_runs: int
    local_cache: int
    disk: int
    free: int

    @property
    def counted(self) -> int:
        """What the limit counts: all that a control plane keeps; local mode looks after itself."""
        return self.database + self.data + self.logs + self.uploads + self.work


@dataclass(frozen=True, slots=True)
class _Rest:
    """What no row knows."""

    backups: int
    unmeasured: dict[int, tuple[int, int]]
    """Data and logs of runs that no row counts yet, by their numbers."""
    uploads: int
    work: int
    local_runs: int
    local_cache: int
    disk: int
    free: int


class Usage:
    """Measures what the control plane keeps."""

    def __init__(self, database: Database, clock: Clock, files: KeptFiles) -> None:
        self._database = database
        self._clock = clock
        self._files = files
        self._rest: _Rest | None = None
        self._stale_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def measure(self) -> None:
        """Measure runs that have ended since; each is measured once."""
        for run in await self._database.read(retention.unmeasured, _MEASURED_AT_ONCE):
            data, logs = await asyncio.to_thread(self._files.of_run, run.place)
            await self._database.write(retention.save_measure, run, data, logs)

    async def figures(self) -> Figures:
        """What is occupied; files that no row counts were looked at a moment ago, many of them within the hour."""
        rest = await self._looked()
        totals, uncounted = await self._database.read(_counted)
        counted_apart = [rest.unmeasured[each] for each in uncounted & rest.unmeasured.keys()]
        path = self._database.path
        file_bytes = totals.database_bytes if path is None else totals.database_bytes + _log(path)
        return Figures(
            runs=totals.runs,
            database=file_bytes,
            backups=rest.backups,
            data=totals.bytes + sum(data for data, _ in counted_apart),
            cached=totals.cached_bytes,
            logs=totals.log_bytes + sum(logs for _, logs in counted_apart),
            uploads=rest.uploads,
            work=rest.work,
            local_runs=rest.local_runs,
            local_cache=rest.local_cache,
            disk=rest.disk,
            free=rest.free,
        )

    async def _looked(self) -> _Rest:
        async with self._one_at_a_time:
            began = self._clock.monotonic()
            if self._rest is None or began >= self._stale_at:
                runs = await self._database.read(_uncounted)
                self._rest = await asyncio.to_thread(self._look, runs)
                ended = self._clock.monotonic()
                self._stale_at = ended + min(_SHARE * (ended - began), _LONGEST_FRESH_SECONDS)
            return self._rest

    def _look(self, unmeasured: list[KeptRun]) -> _Rest:
        files, home, path = self._files, self._files.home, self._database.path
        disk = shutil.disk_usage(home)
        return _Rest(
            backups=sum(kept.occupied(each) for each in backups.found(path)) if path else 0,
            unmeasured={run.id: files.of_run(run.place) for run in unmeasured},
            uploads=kept.occupied(files.data / kept.UPLOADS),
            work=sum(kept.occupied(each) for each in files.work()),
            local_runs=kept.occupied(home / "local"),
            local_cache=kept.occupied(home / "local-cache"),
            disk=disk.total,
            free=disk.free,
        )


def _uncounted(connection: Connection) -> list[KeptRun]:
    """Runs whose files no row counts: they go on, or have just ended."""
    going = [run for run in retention.unended(connection) if run.bytes is None]
    return [*going, *retention.unmeasured(connection, _MEASURED_AT_ONCE)]


def _counted(connection: Connection) -> tuple[Totals, set[int]]:
    """What rows count, and which runs they do not, at one moment."""
    return retention.totals(connection), {run.id for run in _uncounted(connection)}


def _log(path: Path) -> int:
    return kept.occupied(path.with_name(f"{path.name}-wal"))
