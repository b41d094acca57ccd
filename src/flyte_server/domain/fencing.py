"""Whether an attempt still has a say.

A process may be frozen for minutes, be given up, and thaw while the next attempt runs.  What it asks for then must
change nothing, however it asks; its fencing token tells it from the attempt that took its place.
"""

from flyte_server.domain import errors
from flyte_server.domain.phases import LIVE
from flyte_server.domain.records import Action, AttemptKey


def objection(action: Action, attempt: AttemptKey) -> str | None:
    """Why an attempt of this action has no say any more; None while it is the current one and alive.

    Example:
        >>> objection(action, AttemptKey(1, "a0", 1, "old"))
        'attempt 1 of a0 is over: attempt 2 has taken its place'
    """
    said = f"attempt {attempt.number} of {action.name}"
    if attempt.number < action.attempt:
        return f"{said} is over: attempt {action.attempt} has taken its place"
    if action.phase not in LIVE:
        return f"{said} is over: {action.name} is {action.phase}"
    if (attempt.number, attempt.token) != (action.attempt, action.token):
        return f"{said} was not started by this control plane, or has another token"
    return None


def check(action: Action | None, attempt: AttemptKey) -> None:
    """Refuse what an attempt asks for that is over, or that never was.

    Raises:
        errors.AttemptOver: with the reason; the process that asked should end.
    """
    reason = (
        f"there is no action {attempt.action}" if action is None else objection(action, attempt)
    )
    if reason is not None:
        raise errors.AttemptOver(f"{reason}; this process should end")
