"""The phases of an action, and which of them are final."""

from enum import StrEnum


class Phase(StrEnum):
    """Phase of an action; the names are those of the wire (`ACTION_PHASE_…`)."""

    QUEUED = "queued"
    WAITING_FOR_RESOURCES = "waiting_for_resources"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    TIMED_OUT = "timed_out"
    RECOVERED = "recovered"

    @property
    def terminal(self) -> bool:
        """Whether the phase is never left."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT, Phase.RECOVERED}
)
LIVE = (Phase.INITIALIZING, Phase.RUNNING)
"""Phases in which an attempt has a process."""


class Kind(StrEnum):
    """What an action is."""

    TASK = "task"
    TRACE = "trace"
    CONDITION = "condition"


class CacheStatus(StrEnum):
    """What the cache did for an action; the names are those of the wire."""

    DISABLED = "disabled"
    MISS = "miss"
    HIT = "hit"
    POPULATED = "populated"
    SKIPPED = "skipped"


class Blame(StrEnum):
    """Whose failure it is: it decides which retry budget pays."""

    USER = "user"
    SYSTEM = "system"
    UNKNOWN = "unknown"
