"""The phases of an action, as users see them."""

from enum import StrEnum


class ActionPhase(StrEnum):
    """Phase of an action or of a run (a run has the phase of its first action).

    Example:
        >>> ActionPhase("running").is_terminal
        False
    """

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
    def is_terminal(self) -> bool:
        """Whether the phase is never left."""
        return self in _TERMINAL

    def to_protobuf_name(self) -> str:
        """Name of the phase on the wire, as `ACTION_PHASE_RUNNING`."""
        return f"ACTION_PHASE_{self.name}"


_TERMINAL = frozenset(
    {
        ActionPhase.SUCCEEDED,
        ActionPhase.FAILED,
        ActionPhase.ABORTED,
        ActionPhase.TIMED_OUT,
        ActionPhase.RECOVERED,
    }
)
