"""Finding the hosts that an earlier control plane started, dead or alive."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server.executors.process import records
from flyte_server.executors.process.host import Host
from flyte_server.executors.process.records import HostRecord

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Found:
    """What was left of an earlier control plane."""

    hosts: list[Host] = field(default_factory=list[Host])
    """Alive and connected; one that is `ready` has said what it holds."""
    testaments: list[HostRecord] = field(default_factory=list[HostRecord])
    """Of hosts that ended while nobody listened, with results that nobody has heard."""


async def adopt(home: Path, new_host: Callable[[str], Host], *, answer_seconds: float) -> Found:
    """Look for hosts by their records, all at the same time.

    Nothing is decided about one that does not answer in time: it may import a task's code, which
    takes minutes.  It stays connected, and `Vigil` judges it like every other.
    """
    found = Found()
    await asyncio.gather(
        *(_look_for(record, home, new_host, found) for record in records.found(home))
    )
    if found.hosts:
        heard = [asyncio.ensure_future(host.ready.wait()) for host in found.hosts]
        _, late = await asyncio.wait(heard, timeout=answer_seconds)
        for waiting in late:
            waiting.cancel()
    for host in found.hosts:
        if not host.ready.is_set():
            _log.warning("host %s has not said yet what it holds", host.host_id)
    return found


async def _look_for(
    record: HostRecord, home: Path, new_host: Callable[[str], Host], found: Found
) -> None:
    host = new_host(record.host_id)
    if await _reach(host, record):
        found.hosts.append(host)
        return
    last = records.read(record.path)  # it may have written its testament a moment ago
    if last is not None and last.ended:
        found.testaments.append(last)
    else:
        records.discard(home, record.host_id)


async def _reach(host: Host, record: HostRecord) -> bool:
    try:
        await host.adopt(record)
    except OSError as error:
        await host.end()
        _log.info("host %s left a record but does not listen (%s)", record.host_id, error)
        return False
    return True
