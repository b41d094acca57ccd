"""That an action is being ended, for which the public protocol has no phase.

It travels as a field of ActionStatus that is ours alone (number 50001, JSON text): lists, streams and details have it
without another request, our client shows "aborting", and every other client skips it, as protobuf has it.
"""

import json
from typing import Any

from flyteidl2.workflow import run_definition_pb2

from flyte_server.domain import telling
from flyte_server.domain.records import Action

FIELD_NUMBER = 50_001
_LENGTH_DELIMITED = 2
_LONGEST_REASON = 500
"""Characters: a list has it once per action; the details have the whole."""


def add(status: run_definition_pb2.ActionStatus, action: Action, *, user: str) -> None:
    """Say in a status that somebody asked for the end of an action while something of it may be alive.

    Args:
        status: of the action.
        action: which may be on its way to its end.
        user: who aborts: one machine, one person.
    """
    ending = _ending(action, user)
    if ending is not None:
        text = json.dumps(ending).encode()
        tag = _varint(FIELD_NUMBER << 3 | _LENGTH_DELIMITED)
        status.MergeFromString(tag + _varint(len(text)) + text)


def _ending(action: Action, user: str) -> dict[str, Any] | None:
    """`{kind, reason, since?, by?}`; `since` in microseconds since the epoch."""
    if action.phase.terminal:
        return None
    since = action.ending_since
    if action.aborting is not None:
        reason = action.aborting[:_LONGEST_REASON]
        return {"kind": "aborting", "reason": reason, "since": since, "by": user}
    if action.stopping is not None:
        reason = telling.headline(action.stopping.message)
        return {"kind": "timing out", "reason": reason, "since": since}
    return None


def _varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first; all but the last have the eighth bit set."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
