"""Phases of actions as the wire's numbers, and that an action is being ended.

The public protocol has no phase for the second.  Our control plane sends a field of its own in ActionStatus; another
backend leaves it out, and other clients skip it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flyteidl2.common import phase_pb2
from flyteidl2.workflow import run_definition_pb2
from google.protobuf.unknown_fields import UnknownFieldSet

from flyte._phases import ActionPhase

ABORTING = "aborting"
_ENDING_FIELD = 50_001
_NUMBERS = {phase: getattr(phase_pb2, phase.to_protobuf_name()) for phase in ActionPhase}
_BY_NUMBER = {number: phase for phase, number in _NUMBERS.items()}


def phase(number: int) -> ActionPhase:
    """The phase of a number; one that is unspecified or newer than this SDK counts as queued (so: not over)."""
    return _BY_NUMBER.get(number, ActionPhase.QUEUED)


def number(phase: ActionPhase) -> phase_pb2.ActionPhase:
    """The number of a phase."""
    return _NUMBERS[phase]


def is_terminal(number: int) -> bool:
    """Whether the phase of a number is never left."""
    return phase(number).is_terminal


@dataclass(frozen=True, slots=True)
class Ending:
    """Somebody has asked for the end of an action; something of it may still be alive."""

    kind: str
    """`aborting`, or `timing out`: what is shown in place of the phase."""
    reason: str
    since: datetime | None = None
    by: str = ""
    """Who aborts it; empty for a time limit."""

    def __str__(self) -> str:
        by = f" by {self.by}" if self.by else ""
        return f"{self.kind}{by}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """In plain values."""
        since = self.since.isoformat() if self.since else None
        return {"kind": self.kind, "reason": self.reason, "since": since, "by": self.by}


def ending(status: run_definition_pb2.ActionStatus) -> Ending | None:
    """What a status says of it; None when nobody has asked for the end, or it has come."""
    for field in UnknownFieldSet(status):
        if field.field_number == _ENDING_FIELD:
            told = json.loads(field.data)
            since = told.get("since")
            return Ending(
                kind=told["kind"],
                reason=told["reason"],
                since=datetime.fromtimestamp(since / 1_000_000, UTC) if since else None,
                by=told.get("by", ""),
            )
    return None
