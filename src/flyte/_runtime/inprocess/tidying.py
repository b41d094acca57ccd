"""Local runs and their cache stay bounded: what nobody has used for a month goes, and journals that are too many.

A cached result counts as used when a run takes it; what results that stay refer to stays, too.  The start of a run
looks, once an hour.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flyte._kit import clock
from flyte._runtime.caching import shelf
from flyte._runtime.inprocess import journal
from flyte.config import _read

KEPT_DAYS = 30.0
_DAY = 24 * 3600.0
_EVERY_SECONDS = 3600.0
_FOLDER = "local"
_MARK = ".tidied"

logger = logging.getLogger("flyte.run")


def tidy(home: Path | None = None, *, days: float = KEPT_DAYS) -> None:
    """Remove results and files of local runs that are too old, and the oldest journals if they are too many; blocks
    shortly.  Nothing happens if it was done within the hour.

    Args:
        home: `$FLYTE_HOME`.
        days: how long runs are kept, and results after their last use.
    """
    home = home or _read.flyte_home()
    now = clock.now().timestamp()
    if not (home / _FOLDER).is_dir() or _is_done(home / _FOLDER / _MARK, now):
        return
    before = now - days * _DAY
    try:
        _forget_results(home, before)
        _remove_runs(home, before)
        journal.prune(home)
    except OSError as error:
        logger.warning("old local runs below %s cannot be removed: %s", home / _FOLDER, error)


def note_use(run: Path) -> None:
    """Keep a run whose results another one takes over as long as that one."""
    now = clock.now().timestamp()
    with suppress(OSError):
        os.utime(run, (now, now))


def _is_done(mark: Path, now: float) -> bool:
    with suppress(OSError):
        if abs(now - mark.stat().st_mtime) < _EVERY_SECONDS:
            return True
    with suppress(OSError):
        mark.touch()
    return False


def _forget_results(home: Path, before: float) -> None:
    for path in shelf.results(home):
        with suppress(FileNotFoundError):
            status = path.stat()
            if max(status.st_atime, status.st_mtime) < before:
                path.unlink()


def _remove_runs(home: Path, before: float) -> None:
    old = [path for path in _runs(home) if _last_change(path) < before]
    if not old:
        return
    used = shelf.referred(home)
    for path in old:
        if not any(each.is_relative_to(path) for each in used):
            shutil.rmtree(path, ignore_errors=True)


def _runs(home: Path) -> Iterator[Path]:
    with os.scandir(home / _FOLDER) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _last_change(run: Path) -> float:
    """When a run last made a directory, or its journal grew."""
    times = [run.stat().st_mtime]
    with suppress(FileNotFoundError), os.scandir(run) as entries:
        times += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    return max(times)
