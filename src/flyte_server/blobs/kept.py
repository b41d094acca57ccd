"""The files that a control plane keeps, as far as they are measured and removed; everything here blocks.

A directory that is to go is first moved into `.removed` beside the others, in one step; from then on it is nobody's,
and its files may take their time.  What lies there says by its name whose it was.
"""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flyte_server.blobs import arriving

REMOVED = ".removed"
UPLOADS = "uploads"
_BLOCK = 512
"""`st_blocks` counts in these, whatever the file system does."""


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """Data and logs of runs, uploads, and what task processes work with, below one home."""

    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    def of_run(self, place: str) -> tuple[int, int]:
        """What data and logs of a run occupy.

        Args:
            place: `project/domain/run`.
        """
        return occupied(self.data / place), occupied(self.logs / place)

    def take(self, run_id: int, place: str) -> None:
        """Move the directories of a run out of the way; those that there are."""
        for base in self._bases:
            self.move(base / place, base / REMOVED / str(run_id))

    def put_back(self, run_id: int, place: str) -> None:
        """Undo `take`, as far as it was done."""
        for base in self._bases:
            self.move(base / REMOVED / str(run_id), base / place)

    def taken(self) -> list[str]:
        """Names of what was taken: numbers of runs, and names of what was nobody's."""
        return sorted({entry.name for base in self._bases for entry in _entries(base / REMOVED)})

    def erase(self, name: str) -> None:
        """Delete what was taken under a name.

        Raises:
            OSError: something cannot be deleted; the rest of it is.
        """
        for base in self._bases:
            delete(base / REMOVED / name)

    def run_places(self, projects: list[str]) -> Iterator[tuple[str, float]]:
        """Where runs of these projects have, or had, files, and when something was last put beside them."""
        for base in self._bases:
            for project in projects:
                for domain in _entries(base / project):
                    for run in _entries(Path(domain.path)):
                        yield f"{project}/{domain.name}/{run.name}", _changed_at(run)

    def discard(self, place: str) -> None:
        """Delete the directories of a run that has no row."""
        name = f"nobodys-{secrets.token_hex(6)}"
        for base in self._bases:
            self.move(base / place, base / REMOVED / name)
        self.erase(name)

    def uploads(self) -> Iterator[tuple[str, float]]:
        """Units of uploads (`uploads/project/domain/folder`, `…/inputs/digest`), and when each was last sent."""
        for project in _entries(self.data / UPLOADS):
            for domain in _entries(Path(project.path)):
                for folder in _entries(Path(domain.path)):
                    units = _entries(Path(folder.path)) if folder.name == "inputs" else [folder]
                    for unit in units:
                        path = Path(unit.path)
                        yield path.relative_to(self.data).as_posix(), _last_change(path)

    def last_sent(self, unit: str) -> float | None:
        """When a unit of uploads was last sent; None if it is gone."""
        path = self.data / unit
        return _last_change(path) if path.exists() else None

    def drop_upload(self, unit: str) -> None:
        """Delete a unit of uploads: first out of the way, in one step."""
        name = f"upload-{secrets.token_hex(6)}"
        self.move(self.data / unit, self.data / REMOVED / name)
        self.erase(name)

    def leftovers(self, before: float) -> Iterator[Path]:
        """What processes that are gone have left: uploads that broke off, directories of hosts that have no record.

        Args:
            before: only what was not changed since; seconds since the epoch.
        """
        for path in (self.data / UPLOADS).rglob(f".*{arriving.PARTIAL_SUFFIX}"):
            if _changed_at(path) < before:
                yield path
        hosts = {entry.name.removesuffix(".json") for entry in _entries(self.home / "hosts")}
        for entry in _entries(self.home / "work"):
            is_hosts = entry.name != "bundles"
            if is_hosts and entry.name not in hosts and _changed_at(entry) < before:
                yield Path(entry.path)

    def unpacked(self, before: float) -> Iterator[Path]:
        """Unpacked code bundles that no task has begun with since a moment."""
        for entry in _entries(self.home / "work" / "bundles"):
            if _last_change(Path(entry.path)) < before:
                yield Path(entry.path)

    def work(self) -> list[Path]:
        """Where hosts and task processes work, and where what is being removed lies."""
        return [
            *(self.home / name for name in ("work", "hosts", "server.log")),
            *(base / REMOVED for base in self._bases),
        ]

    def move(self, source: Path, target: Path) -> None:
        """Move a directory in one step; nothing happens if it is not there, or another is at the target."""
        if not source.exists() or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    @property
    def _bases(self) -> tuple[Path, Path]:
        return self.data, self.logs


def occupied(path: Path) -> int:
    """What a file, or everything below a directory, occupies on the disk; 0 if there is nothing."""
    total = 0
    pending = [path]
    while pending:
        each = pending.pop()
        with suppress(OSError):  # deleted meanwhile
            status = each.lstat()
            total += status.st_blocks * _BLOCK
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(each) as entries:
                    pending.extend(Path(entry.path) for entry in entries)
    return total


def delete(path: Path) -> None:
    """Delete a file, or a directory with all that is in it; it may be gone already.

    Raises:
        OSError: something cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _changed_at(entry: "os.DirEntry[str] | Path") -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _last_change(path: Path) -> float:
    """When a directory, or anything directly in it, was last changed: a file that is sent again changes its directory,
    one that is used again is touched."""
    return max([_changed_at(path), *(_changed_at(entry) for entry in _entries(path))])
