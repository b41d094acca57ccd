"""The data directory of one control plane: usable, locked, and with a note of where we answer."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Generator
from importlib import metadata
from pathlib import Path
from typing import Any

from flyte_server.domain.errors import StoreUnusable
from flyte_server.settings import Settings
from flyte_server.store.file import location

_DISTRIBUTION = "flyte-standalone"
_LEAST_BYTES = 1024 * 1024
"""Without so much not even the database can be opened."""


def prepare(home: Path) -> None:
    """Make the directory, and be sure that we can keep data in it.

    Raises:
        StoreUnusable: it cannot be written, its disk is full, or it lies on a network file system.
    """
    location.refuse_network(home, location.mounts())
    probe = home / f".probe-{secrets.token_hex(4)}"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise StoreUnusable(
            f"The data directory {home} cannot be written ({error.strerror}): make it writable, or "
            "choose another one by --home or FLYTE_HOME."
        ) from error
    free = shutil.disk_usage(home).free
    if free < _LEAST_BYTES:
        raise StoreUnusable(
            f"The disk of {home} is full ({free:,} bytes are free): make room, or choose another directory by --home "
            "or FLYTE_HOME."
        )


@contextlib.contextmanager
def locked(settings: Settings) -> Generator[None]:
    """Be the only control plane on this data directory; the lock ends with the process, however it
    ends.

    Raises:
        StoreUnusable: another one has it.
    """
    with settings.lock.open("a+") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreUnusable(_taken(settings)) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def announce(settings: Settings, *, started_at: str) -> None:
    """Tell clients on this machine that we answer, and where."""
    record = {
        "pid": os.getpid(),
        "host": settings.address.rpartition(":")[0].strip("[]"),
        "port": settings.port,
        "endpoint": settings.endpoint,
        "version": metadata.version(_DISTRIBUTION),
        "started_at": started_at,
        "auth": settings.auth,
    }
    if settings.tls is not None and settings.tls.ca is not None:
        record["ca_cert"] = str(settings.tls.ca)
    temporary = settings.announcement.with_suffix(".json.new")
    temporary.write_text(json.dumps(record), encoding="utf-8")
    temporary.replace(settings.announcement)
    _port_file(settings.home).write_text(str(settings.port), encoding="utf-8")


def last_port(home: Path) -> int | None:
    """Where the last control plane of this directory answered.  Its tasks may still run and ask there."""
    try:
        return int(_port_file(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def withdraw(settings: Settings) -> None:
    """Take the announcement back, if it is ours."""
    if _announced(settings).get("pid") == os.getpid():
        settings.announcement.unlink(missing_ok=True)


def _port_file(home: Path) -> Path:
    return home / "port"


def _announced(settings: Settings) -> dict[str, Any]:
    try:
        record = json.loads(settings.announcement.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _taken(settings: Settings) -> str:
    pid = settings.lock.read_text(encoding="utf-8").strip() or "?"
    endpoint = _announced(settings).get("endpoint", "still starting")
    return (
        f"Another control plane (process {pid}, {endpoint}) uses {settings.home} and holds its "
        f"{settings.lock.name}: use that one, end it with 'flyte stop server', or choose another "
        "directory by --home or FLYTE_HOME."
    )
