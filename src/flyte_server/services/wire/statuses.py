"""Phases and cache states, in both directions."""

from flyteidl2.common import phase_pb2
from flyteidl2.core import catalog_pb2

from flyte_server.domain.errors import Invalid
from flyte_server.domain.phases import CacheStatus, Phase

_PHASES = {
    Phase.QUEUED: phase_pb2.ACTION_PHASE_QUEUED,
    Phase.WAITING_FOR_RESOURCES: phase_pb2.ACTION_PHASE_WAITING_FOR_RESOURCES,
    Phase.INITIALIZING: phase_pb2.ACTION_PHASE_INITIALIZING,
    Phase.RUNNING: phase_pb2.ACTION_PHASE_RUNNING,
    Phase.PAUSED: phase_pb2.ACTION_PHASE_PAUSED,
    Phase.SUCCEEDED: phase_pb2.ACTION_PHASE_SUCCEEDED,
    Phase.FAILED: phase_pb2.ACTION_PHASE_FAILED,
    Phase.ABORTED: phase_pb2.ACTION_PHASE_ABORTED,
    Phase.TIMED_OUT: phase_pb2.ACTION_PHASE_TIMED_OUT,
    Phase.RECOVERED: phase_pb2.ACTION_PHASE_RECOVERED,
}
_BY_NUMBER = {int(number): phase for phase, number in _PHASES.items()}
_CACHE = {
    CacheStatus.DISABLED: catalog_pb2.CACHE_DISABLED,
    CacheStatus.MISS: catalog_pb2.CACHE_MISS,
    CacheStatus.HIT: catalog_pb2.CACHE_HIT,
    CacheStatus.POPULATED: catalog_pb2.CACHE_POPULATED,
    CacheStatus.SKIPPED: catalog_pb2.CACHE_SKIPPED,
}


def phase(value: Phase) -> phase_pb2.ActionPhase:
    """The phase on the wire."""
    return _PHASES[value]


def from_phase(number: int, *, where: str) -> Phase:
    """The phase of a number on the wire.

    Raises:
        Invalid: there is no such phase; `where` names the field.
    """
    found = _BY_NUMBER.get(number)
    if found is None:
        raise Invalid(
            f"{where} is {number}, which is no phase; send one of ACTION_PHASE_QUEUED and "
            "following."
        )
    return found


def cache_status(value: CacheStatus) -> catalog_pb2.CatalogCacheStatus:
    """The cache state on the wire."""
    return _CACHE[value]
