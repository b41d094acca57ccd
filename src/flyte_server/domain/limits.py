"""The time limits of an action: when the next one is hit, and which one it was."""

from flyte_server.domain.events import TimedOut
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action

MAX_RUNTIME = "MaxRuntimeExceeded"
MAX_QUEUED = "MaxQueuedTimeExceeded"
DEADLINE = "DeadlineExceeded"
WAITING = (Phase.QUEUED, Phase.WAITING_FOR_RESOURCES)
"""Phases whose time counts as queued."""


def next_at(action: Action) -> int | None:
    """The moment at which the action's nearest time limit is hit; None when nothing limits it now.

    An action that is being stopped already has no further limit.
    """
    policy = action.policy
    if not (policy.deadline_seconds or policy.max_runtime_seconds or policy.max_queued_seconds):
        return None
    if action.phase.terminal or action.aborting is not None or action.stopping is not None:
        return None
    return min((at for at, _ in _limits(action)), default=None)


def hit(action: Action, now_us: int) -> TimedOut | None:
    """The event for the earliest limit that is hit at `now_us`; None when there is none."""
    if action.limit_at is None or action.limit_at > now_us:
        return None
    at, code = min(_limits(action))
    if at > now_us:
        return None
    return TimedOut(action.key, action.attempt, code, _message(action, code))


def applies(action: Action, code: str) -> bool:
    """Whether the limit can still be hit in the action's phase: a late look at the clock must not
    end a retry."""
    if code == MAX_RUNTIME:
        return action.phase is Phase.RUNNING
    if code == MAX_QUEUED:
        return _is_queued(action)
    return True


def _limits(action: Action) -> list[tuple[int, str]]:
    policy = action.policy
    found: list[tuple[int, str]] = []
    if policy.deadline_seconds:
        found.append((_later(action.created_at, policy.deadline_seconds), DEADLINE))
    if policy.max_runtime_seconds and action.attempt_started_at is not None:
        found.append((_later(action.attempt_started_at, policy.max_runtime_seconds), MAX_RUNTIME))
    if policy.max_queued_seconds and _is_queued(action):
        since = max(action.queued_at, action.due_at)
        found.append((_later(since, policy.max_queued_seconds), MAX_QUEUED))
    return found


def _is_queued(action: Action) -> bool:
    """Whether it waits for a slot; one that waits for an equal action's result is not late."""
    return action.phase in WAITING and not action.waits_for_turn


def _later(at: int, seconds: float) -> int:
    return at + int(seconds * 1_000_000)


def _message(action: Action, code: str) -> str:
    policy = action.policy
    if code == MAX_RUNTIME:
        return (
            f"Attempt {action.attempt} of {action.task_name} ran longer than its"
            f" max_runtime of {policy.max_runtime_seconds:g} s; raise it or make the task faster."
        )
    if code == MAX_QUEUED:
        return (
            f"{action.task_name} waited longer than its max_queued_time of"
            f" {policy.max_queued_seconds:g} s for a free slot; raise it or run less at once."
        )
    return (
        f"{action.task_name} was not done {policy.deadline_seconds:g} s after its creation,"
        f" which is its deadline over all attempts."
    )
