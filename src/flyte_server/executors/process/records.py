"""What hosts leave under FLYTE_HOME/hosts, so that the next control plane finds them."""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyte_server.executors.process.connection import Message

_CRASH = "Fatal Python error: "
_LOGS_KEPT = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostRecord:
    """`hosts/<id>.json`."""

    path: Path
    host_id: str
    protocol: int
    pid: int
    start_ticks: int
    socket: str
    ended: tuple[Message, ...]
    """Results that the host could not tell anybody before it ended."""
    importing: bool = False
    """It imports a task's code, and answers nobody until that is done."""


def directory(home: Path) -> Path:
    """Where records, sockets and logs of hosts are; readable by their owner only, because a
    socket is a door."""
    hosts = home / "hosts"
    hosts.mkdir(mode=0o700, parents=True, exist_ok=True)
    return hosts


def log_path(home: Path, host_id: str) -> Path:
    return home / "hosts" / f"{host_id}.log"


def found(home: Path) -> Iterator[HostRecord]:
    """Records of hosts that have not ended in an orderly way with nothing left to say."""
    for path in sorted(directory(home).glob("*.json")):
        record = read(path)
        if record is not None:
            yield record
        elif path.exists():
            _set_aside(path)


def path_of(home: Path, host_id: str) -> Path:
    return home / "hosts" / f"{host_id}.json"


def _set_aside(path: Path) -> None:
    """Keep what cannot be read for a person to look at.  Its host, if it lives, misses the record and
    ends itself: nobody can reach it."""
    aside = path.with_suffix(".json.unreadable")
    path.replace(aside)
    _log.warning("the record of host %s cannot be read; it is now %s", path.stem, aside)


def read(path: Path) -> HostRecord | None:
    """A record; None when it is gone, or not one of ours."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        return HostRecord(
            path=path,
            host_id=path.stem,
            protocol=int(content["protocol"]),
            pid=int(content["pid"]),
            start_ticks=int(content["start_ticks"]),
            socket=str(content["socket"]),
            ended=tuple(content["ended"]),
            importing=bool(content.get("importing")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def discard(home: Path, host_id: str) -> None:
    """Remove what a host that ended badly could not remove itself; its log stays for a while."""
    path = directory(home) / f"{host_id}.json"
    record = read(path)
    if record is not None:
        _remove_socket(Path(record.socket), path.parent)
    path.unlink(missing_ok=True)
    shutil.rmtree(home / "work" / host_id, ignore_errors=True)


def _remove_socket(socket: Path, hosts: Path) -> None:
    """Remove a socket, and the directory that was made for it alone because the home is too deep."""
    with suppress(OSError):
        socket.unlink()
        if socket.parent != hosts:
            socket.parent.rmdir()


def prune_logs(home: Path) -> None:
    """Keep the logs of the last few hosts that ended badly."""
    hosts = directory(home)
    logs = [path for path in hosts.glob("*.log") if not path.with_suffix(".json").exists()]
    logs.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[_LOGS_KEPT:]:
        path.unlink(missing_ok=True)


def last_words(home: Path, host_id: str) -> str:
    """The last line of a host's log, or the stack of its crash; it often says why the host ended."""
    with suppress(OSError):
        text = log_path(home, host_id).read_text(errors="replace").strip()
        crash = text.rfind(_CRASH)
        return text[crash:][:2000] if crash >= 0 else text.rpartition("\n")[2].strip()[:300]
    return ""
