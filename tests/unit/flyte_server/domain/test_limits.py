"""Time limits: when the next one is hit, and which."""

from dataclasses import replace

from flyte_server.domain import limits, telling
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, Failure, Policy

SECOND = 1_000_000
POLICY = Policy(max_runtime_seconds=10, max_queued_seconds=20, deadline_seconds=100)


def action(phase: Phase, **fields: object) -> Action:
    made = Action(1, "x", "a0", Kind.TASK, phase, "env.f", 0, policy=POLICY)
    made = replace(made, **fields)
    return replace(made, limit_at=limits.next_at(made))


def test_the_nearest_limit_counts() -> None:
    assert action(Phase.QUEUED).limit_at == 20 * SECOND
    assert action(Phase.RUNNING, attempt_started_at=5 * SECOND).limit_at == 15 * SECOND
    assert action(Phase.RUNNING, attempt_started_at=95 * SECOND).limit_at == 100 * SECOND
    assert action(Phase.INITIALIZING).limit_at == 100 * SECOND


def test_backoff_is_not_queued_time() -> None:
    waiting = action(Phase.QUEUED, queued_at=SECOND, due_at=50 * SECOND)
    assert waiting.limit_at == 70 * SECOND


def test_what_has_ended_or_is_being_stopped_has_no_limit() -> None:
    assert action(Phase.SUCCEEDED).limit_at is None
    assert action(Phase.RUNNING, attempt_started_at=0, aborting="enough").limit_at is None
    assert action(Phase.RUNNING, attempt_started_at=0, stopping=Failure("x", "")).limit_at is None


def test_the_event_names_the_limit_the_task_and_the_way_out() -> None:
    running = action(Phase.RUNNING, attempt_started_at=0, attempt=2)
    assert limits.hit(running, 9 * SECOND) is None
    event = limits.hit(running, 10 * SECOND)
    assert event is not None
    assert (event.code, event.attempt) == (limits.MAX_RUNTIME, 2)
    assert event.message == (
        "Attempt 2 of env.f ran for 10.0 s, longer than its max_runtime of 10 s.\n\n"
        "next: make the task faster there, or raise max_runtime in its timeout=flyte.Timeout(…)"
    )


def test_a_limit_that_was_hit_says_where_the_attempt_was() -> None:
    stopping = Failure(limits.MAX_RUNTIME, telling.told("It ran too long.", next_step="hurry"))
    reported = Failure(
        "Interrupted", telling.told("It was ended.", "Thread 1"), place="train.py:12 in fit"
    )
    failure = limits.explained(stopping, reported)
    assert failure.message == (
        "It ran too long; it was at train.py:12 in fit.\n\nevidence: Thread 1\n\nnext: hurry"
    )
    assert failure.code == limits.MAX_RUNTIME
    assert limits.explained(stopping, None) is stopping
