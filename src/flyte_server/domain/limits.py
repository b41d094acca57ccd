"""The time limits of an action: when the next one is hit, and which one it was."""

from dataclasses import replace

from flyte_server.domain import telling
from flyte_server.domain.events import TimedOut
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, Failure

MAX_RUNTIME = "MaxRuntimeExceeded"
MAX_QUEUED = "MaxQueuedTimeExceeded"
DEADLINE = "DeadlineExceeded"
WAITING = (Phase.QUEUED, Phase.WAITING_FOR_RESOURCES)
"""Phases whose time counts as queued."""


def explained(stopping: Failure, reported: Failure | None) -> Failure:
    """The failure of an attempt that hit a limit, with where it was when it was told to end.

    Args:
        stopping: which limit it hit.
        reported: what its process left behind; None when it ended well all the same.
    """
    if reported is None:
        return stopping
    told = telling.read(stopping.message)
    sentence = told.sentence
    if reported.place:
        sentence = f"{sentence.removesuffix('.')}; it was at {reported.place}."
    evidence = telling.read(reported.message).evidence
    return replace(stopping, message=telling.told(sentence, evidence, told.next_step))


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
    return TimedOut(action.key, action.attempt, code, _message(action, code, now_us))


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
        ran = action.attempt_started_at + action.slept_us
        found.append((_later(ran, policy.max_runtime_seconds), MAX_RUNTIME))
    if policy.max_queued_seconds and _is_queued(action):
        queued = _queued_since(action) + action.slept_us
        found.append((_later(queued, policy.max_queued_seconds), MAX_QUEUED))
    return found


def counted_since(action: Action) -> int | None:
    """Since when the limit counts that a sleep of the machine puts off; None when there is none now.

    The deadline is no such limit: it is a moment, whatever the machine does until then.
    """
    if action.policy.max_runtime_seconds and action.attempt_started_at is not None:
        return action.attempt_started_at
    if action.policy.max_queued_seconds and _is_queued(action):
        return _queued_since(action)
    return None


def _queued_since(action: Action) -> int:
    return max(action.queued_at, action.due_at)


def _is_queued(action: Action) -> bool:
    """Whether it waits for a slot; one that waits for an equal action's result is not late."""
    return action.phase in WAITING and not action.waits_for_turn


def _later(at: int, seconds: float) -> int:
    return at + int(seconds * 1_000_000)


def _message(action: Action, code: str, now_us: int) -> str:
    policy = action.policy
    if code == MAX_RUNTIME:
        started_at = now_us if action.attempt_started_at is None else action.attempt_started_at
        ran = now_us - started_at - action.slept_us
        return telling.told(
            f"Attempt {action.attempt} of {action.task_name} ran for {_seconds(ran)}, longer than its"
            f" max_runtime of {policy.max_runtime_seconds:g} s.",
            next_step="make the task faster there, or raise max_runtime in its timeout=flyte.Timeout(…)",
        )
    if code == MAX_QUEUED:
        waited = now_us - _queued_since(action) - action.slept_us
        return telling.told(
            f"{action.task_name} waited for {_seconds(waited)}, longer than its max_queued_time of"
            f" {policy.max_queued_seconds:g} s for a free slot.",
            next_step="run less at once, or raise max_queued_time in its timeout=flyte.Timeout(…)",
        )
    if action.policy.answer_type:
        return telling.told(
            f"Nobody answered the condition {action.task_name!r} within {policy.deadline_seconds:g} s.",
            next_step="answer sooner, or raise timeout in flyte.new_condition(…)",
        )
    return telling.told(
        f"{action.task_name} was not done {_seconds(now_us - action.created_at)} after its creation;"
        f" its deadline over all attempts is {policy.deadline_seconds:g} s.",
        next_step="make its attempts faster or fewer, or raise deadline in its timeout=flyte.Timeout(…)",
    )


def _seconds(micros: int) -> str:
    return f"{max(micros, 0) / 1_000_000:.1f} s"
