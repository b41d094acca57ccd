"""The phases of an action, as users see them."""

from enum import StrEnum
from typing import Any


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

    def to_protobuf_value(self) -> int:
        """Number of the phase on the wire."""
        return _NUMBERS[self]

    @classmethod
    def from_protobuf(cls, pb_phase: Any) -> "ActionPhase":
        """The phase of a number on the wire.

        Raises:
            ValueError: it is no phase.
        """
        for phase, number in _NUMBERS.items():
            if number == pb_phase:
                return phase
        raise ValueError(f"{pb_phase!r} is no phase of the protocol")


_NUMBERS = {
    ActionPhase.QUEUED: 1,
    ActionPhase.WAITING_FOR_RESOURCES: 2,
    ActionPhase.INITIALIZING: 3,
    ActionPhase.RUNNING: 4,
    ActionPhase.SUCCEEDED: 5,
    ActionPhase.FAILED: 6,
    ActionPhase.ABORTED: 7,
    ActionPhase.TIMED_OUT: 8,
    ActionPhase.PAUSED: 9,
    ActionPhase.RECOVERED: 10,
}
"""As the protocol numbers them; words do not load the protocol, so a test compares the two."""

_TERMINAL = frozenset(
    {
        ActionPhase.SUCCEEDED,
        ActionPhase.FAILED,
        ActionPhase.ABORTED,
        ActionPhase.TIMED_OUT,
        ActionPhase.RECOVERED,
    }
)
