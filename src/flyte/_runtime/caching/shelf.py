"""Results of cached tasks of local runs: kept below `$FLYTE_HOME/local-cache`, with a control plane's decisions.

One file per result, in a folder per project, domain and task; its name is the key.  It appears whole or not at all,
so any number of processes may use the cache at once.  What a result refers to (files, tables, large values) stays
where it is, below `$FLYTE_HOME/local`; a result whose data is gone counts as none.
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from flyteidl2.task import common_pb2
from google.protobuf.message import DecodeError

from flyte import errors, storage
from flyte._kit import clock
from flyte._wire.caching import references
from flyte._wire.caching.decisions import CacheDecision, nearest
from flyte.config import _read
from flyte.storage import digests

Scope = Literal["global", "project-domain"]

FOLDER = "local-cache"
_COMPARED = 16
"""How many of the youngest results of a task a miss is compared with."""
_KEY = re.compile(r"[0-9a-f]{64}")
_READABLE = 60
_ODD = re.compile(r"[^A-Za-z0-9._-]+")

logger = logging.getLogger("flyte.cache")


@dataclass(frozen=True, slots=True)
class Kept:
    """A result: who made it and when, what its key is made of, and the outputs."""

    source: str
    """`run/action`."""
    created_at: datetime
    parts: dict[str, Any]
    outputs: common_pb2.Outputs

    def age(self) -> timedelta:
        """How old it is."""
        return clock.now() - self.created_at


@dataclass(frozen=True, slots=True)
class Shelf:
    """The results of one task, as far as a run may use them.

    Args:
        home: `$FLYTE_HOME`.
        project: where new results go, with the domain; None: the run has none.
        domain: see project.
        task: full name.
        scope: `global` looks into all projects and domains.
    """

    home: Path
    project: str | None
    domain: str | None
    task: str
    scope: Scope = "global"

    def own(self, key: str) -> Path:
        """The file of a new result."""
        return self._root / (self.project or "-") / (self.domain or "-") / self._folder / key

    def files(self, key: str) -> list[Path]:
        """Files in which the result may be: the run's own first, then the youngest."""
        own = self.own(key)
        others = [path for path in self._everywhere(key) if path != own]
        others.sort(key=_written_at, reverse=True)
        return [path for path in (own, *others) if path.is_file()]

    def youngest(self) -> list[Path]:
        """The files of the task's last results, the youngest first."""
        found = [path for path in self._everywhere("*") if _KEY.fullmatch(path.name)]
        found.sort(key=_written_at, reverse=True)
        return found[:_COMPARED]

    def _everywhere(self, key: str) -> Iterator[Path]:
        if self.scope == "global":
            return self._root.glob(f"*/*/{self._folder}/{key}")
        return self.own("").glob(key)

    @property
    def _root(self) -> Path:
        return self.home / FOLDER

    @property
    def _folder(self) -> str:
        readable = _ODD.sub("-", self.task)[:_READABLE].strip(".-")
        return f"{readable}-{digests.digest([self.task.encode()])[:12]}"


async def load(path: Path, *, home: Path) -> Kept | None:
    """The result in a file; None, with a warning, if it is damaged or what it refers to is gone."""
    try:
        kept = _parsed(await storage.read(str(path)))
    except errors.StorageNotFoundError:
        return None
    except (errors.StorageError, ValueError, KeyError, TypeError, DecodeError) as error:
        logger.warning("the cached result %s cannot be read (%s) and is made again", path, error)
        return None
    gone = references.missing(kept.outputs, below=str(home))
    if gone is not None:
        logger.warning("the cached result %s is made again: %s is gone", path, gone)
        return None
    _note_use(path)
    return kept


def results(home: Path) -> Iterator[Path]:
    """The files of all results."""
    for path in (home / FOLDER).glob("*/*/*/*"):
        if _KEY.fullmatch(path.name):
            yield path


def referred(home: Path) -> set[Path]:
    """Files and folders to which results refer; what cannot be read refers to nothing."""
    found: set[Path] = set()
    for path in results(home):
        try:
            outputs = _parsed(path.read_bytes()).outputs
        except (OSError, ValueError, KeyError, TypeError, DecodeError):
            continue
        found.update(references.paths(outputs, below=str(home)))
    return found


def _note_use(path: Path) -> None:
    """When a result was used last is the time at which its file was read: not every file system notes it."""
    with suppress(OSError):
        os.utime(path, (clock.now().timestamp(), path.stat().st_mtime))


async def save(
    path: Path, outputs: common_pb2.Outputs, *, source: str, parts: dict[str, Any]
) -> None:
    """Keep a result, in place of one that is there; a failure is only a warning: the run goes on without."""
    data = outputs.SerializeToString(deterministic=True)
    head = {
        "source": source,
        "created_at": clock.now().timestamp(),
        "xxh3": digests.digest([data]),
        "parts": parts,
    }
    try:
        await storage.write(str(path), [json.dumps(head).encode(), b"\n", data])
    except errors.StorageError as error:
        logger.warning("a result could not be kept in the local cache: %s", error)


async def explain_miss(shelf: Shelf, parts: dict[str, Any]) -> CacheDecision:
    """Why none of a task's results is that of a call with these `parts`."""
    others = [(path, await _head(path)) for path in shelf.youngest()]
    compared = [(head["source"], head["parts"]) for _, head in others if head]
    return nearest(parts, compared)


def clear(home: Path | None = None) -> int:
    """Forget all results of local runs; gives how many there were.  Calls that go on are not disturbed."""
    root = (home or _read.flyte_home()) / FOLDER
    count = sum(1 for _ in results(root.parent))
    shutil.rmtree(root, ignore_errors=True)
    return count


def _parsed(content: bytes) -> Kept:
    line, _, data = content.partition(b"\n")
    head = json.loads(line)
    if digests.digest([data]) != head["xxh3"]:
        raise ValueError("its checksum is wrong")
    created_at = datetime.fromtimestamp(head["created_at"], UTC)
    outputs = common_pb2.Outputs.FromString(data)
    return Kept(head["source"], created_at, head["parts"], outputs)


async def _head(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads((await storage.read(str(path))).partition(b"\n")[0])
    except (errors.StorageError, ValueError):
        return None


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
