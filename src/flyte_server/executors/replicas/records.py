"""What is written about replicas under FLYTE_HOME/replicas, so that the next control plane finds them.

The control plane writes a record when it has started a replica, and removes it when nothing of the replica is left.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flyte_server.domain.needs import Bounds, Needs, Pool

_LOGS_KEPT = 20
_QUOTED_LINES = 5
_QUOTED_CHARACTERS = 600
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """`replicas/<id>.json`."""

    replica_id: str
    protocol: int
    pid: int
    start_ticks: int
    pool_key: str
    """The key by which the executor knows the pool."""
    pool: Pool
    needs: Needs
    bounds: Bounds
    devices: tuple[str, ...]
    """Ids of its accelerators."""
    cgroups: tuple[str, ...]
    """Directories of its control groups."""


def directory(home: Path) -> Path:
    """Where records and logs of replicas are; readable by their owner only."""
    replicas = home / "replicas"
    replicas.mkdir(mode=0o700, parents=True, exist_ok=True)
    return replicas


def log_path(home: Path, replica_id: str) -> Path:
    return home / "replicas" / f"{replica_id}.log"


def path_of(home: Path, replica_id: str) -> Path:
    return home / "replicas" / f"{replica_id}.json"


def write(home: Path, record: ReplicaRecord) -> None:
    """Keep a record; it appears whole."""
    path = path_of(home, record.replica_id)
    temporary = path.with_suffix(".json.new")
    temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
    temporary.replace(path)


def found(home: Path) -> Iterator[ReplicaRecord]:
    """Records of replicas that may still be there."""
    for path in sorted(directory(home).glob("*.json")):
        record = _read(path)
        if record is not None:
            yield record
        elif path.exists():
            aside = path.with_suffix(".json.unreadable")
            path.replace(aside)
            _log.warning("the record of replica %s cannot be read; it is now %s", path.stem, aside)


def _read(path: Path) -> ReplicaRecord | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        return replace(
            ReplicaRecord(**content),
            pool=Pool(**content["pool"]),
            needs=Needs(**content["needs"]),
            bounds=Bounds(**content["bounds"]),
            devices=tuple(content["devices"]),
            cgroups=tuple(content["cgroups"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def discard(home: Path, replica_id: str) -> None:
    """Remove what a replica leaves; its log stays for a while."""
    path_of(home, replica_id).unlink(missing_ok=True)
    shutil.rmtree(home / "work" / replica_id, ignore_errors=True)


def prune_logs(home: Path) -> None:
    """Keep the logs of the last few replicas that have ended."""
    logs = [
        path for path in directory(home).glob("*.log") if not path.with_suffix(".json").exists()
    ]
    logs.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[_LOGS_KEPT:]:
        path.unlink(missing_ok=True)


def last_words(home: Path, replica_id: str) -> str:
    """The last lines of a replica's log; they often say why it ended."""
    with suppress(OSError):
        lines = log_path(home, replica_id).read_text(errors="replace").strip().splitlines()
        said = " | ".join(line.strip() for line in lines[-_QUOTED_LINES:])
        return said[-_QUOTED_CHARACTERS:]
    return ""
