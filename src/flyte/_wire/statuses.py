"""Phases of actions as the wire's numbers."""

from flyteidl2.common import phase_pb2

from flyte._phases import ActionPhase

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
