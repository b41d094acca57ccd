"""Whether a condition can be answered, and with this value."""

import math
from datetime import UTC, datetime

from flyte_server.domain import errors, telling
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action

TYPES: dict[str, type[bool | int | float | str]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
}
"""What a condition may be answered with."""
_TRUE = frozenset({"true", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "no", "n", "0", "off"})
_BITS = 63
"""The wire has whole numbers of 64 bits, one of them the sign."""


def check(action: Action, value: bool | float | str) -> None:
    """Whether an action can be answered with a value, now.

    Raises:
        errors.Invalid: it is no condition, or the value is not of its type.
        errors.Conflict: it has ended already.
    """
    if action.kind is not Kind.CONDITION:
        raise errors.Invalid(
            f"{action.name} is a {action.kind}, not a condition; list conditions with: flyte get condition RUN"
        )
    if action.phase is not Phase.PAUSED:
        raise errors.Conflict(too_late(action))
    _fits(action, value)


def parsed(text: str, wanted: str) -> bool | int | float | str:
    """The value that a text says, for forms and links.

    Raises:
        errors.Invalid: it says none of that type.
    """
    plain = text.strip()
    try:
        match wanted:
            case "bool" if plain.lower() in _TRUE | _FALSE:
                return plain.lower() in _TRUE
            case "int":
                return int(plain)
            case "float":
                return float(plain)
            case "str":
                return text
            case _:
                pass
    except ValueError:
        pass
    raise errors.Invalid(f"{text!r} is no {wanted}; {_example(wanted)}")


def _fits(action: Action, value: bool | float | str) -> None:
    wanted = action.policy.answer_type
    if type(value) is not TYPES.get(wanted):
        raise errors.Invalid(
            f"The condition {action.task_name!r} is answered with a value of type {wanted}, but got"
            f" {value!r}, which is of type {type(value).__name__}; {_example(wanted)}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise errors.Invalid(
            f"{value!r} is no answer to {action.task_name!r}; send a finite number."
        )
    if type(value) is int and value.bit_length() > _BITS:
        raise errors.Invalid(
            f"{value} does not fit into 64 bits; answer {action.task_name!r} with a smaller number."
        )


def _example(wanted: str) -> str:
    examples = {"bool": "true or false", "int": "a whole number", "float": "a number like 0.5"}
    return f"send {examples.get(wanted, 'a text')}."


def too_late(action: Action) -> str:
    """Why a condition waits for no answer any more: who answered, or how it ended."""
    given = action.answer
    if given is not None:
        return (
            f"The condition {action.task_name!r} was answered already: {given.value!r} by"
            f" {given.by_name or given.by} ({given.channel}) at {_moment(given.at)}; the first answer counts."
        )
    why = "" if action.failure is None else f": {telling.headline(action.failure.message)}"
    ended = "" if action.ended_at is None else f" at {_moment(action.ended_at)}"
    return (
        f"The condition {action.task_name!r} waits for no answer any more, it is"
        f" {action.phase.value.replace('_', ' ')}{ended}{why}"
    )


def _moment(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
