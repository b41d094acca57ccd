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
    """Alive, connected, and heard out: it is known what they hold."""
    testaments: list[HostRecord] = field(default_factory=list[HostRecord])
    """Of hosts that ended while nobody listened, with results that nobody has heard."""


async def adopt(home: Path, new_host: Callable[[str], Host], *, answer_seconds: float) -> Found:
    """Look for hosts by their records.

    One that does not answer in time is ended: what it held counts as lost.
    """
    found = Found()
    for record in list(records.found(home)):
        host = new_host(record.host_id)
        if await _reach(host, record):
            found.hosts.append(host)
            continue
        last = records.read(record.path)  # it may have written its testament a moment ago
        if last is not None and last.ended:
            found.testaments.append(last)
        else:
            records.discard(home, record.host_id)
    await asyncio.gather(*(_hear_out(host, answer_seconds) for host in found.hosts))
    return found


async def _reach(host: Host, record: HostRecord) -> bool:
    try:
        await host.adopt(record)
    except OSError as error:
        await host.end()
        _log.info("host %s left a record but does not listen (%s)", record.host_id, error)
        return False
    return True


async def _hear_out(host: Host, answer_seconds: float) -> None:
    try:
        await asyncio.wait_for(host.ready.wait(), answer_seconds)
    except TimeoutError:
        _log.warning("host %s does not answer; it is ended", host.host_id)
        host.process.kill()
        await host.gone.wait()
