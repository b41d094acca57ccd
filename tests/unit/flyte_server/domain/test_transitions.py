"""decide(): what each event does to an action."""

from dataclasses import replace

import pytest

from flyte_server.domain.events import (
    AbortRequested,
    Claimed,
    Event,
    Failed,
    Lost,
    Started,
    Succeeded,
    TimedOut,
)
from flyte_server.domain.phases import Blame, CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, AttemptKey, Failure, Policy
from flyte_server.domain.transitions import decide

NOW = 1_000_000_000
SECOND = 1_000_000
OOPS = Failure("ValueError", "oops")


def queued(**fields: object) -> Action:
    action = Action(1, "x", "a0", Kind.TASK, Phase.QUEUED, "env.f", NOW, output_base="/data/r/")
    return replace(action, queued_at=NOW, due_at=NOW, **fields)


def claimed(**fields: object) -> Action:
    action = queued(**fields)
    return decide(action, Claimed(action.key, "t1", "host"), NOW).action


def running(**fields: object) -> Action:
    action = claimed(**fields)
    return decide(action, Started(key(action), "host", 77, NOW + SECOND), NOW + SECOND).action


def key(action: Action) -> AttemptKey:
    return AttemptKey(action.run_id, action.name, action.attempt, action.token)


def test_a_claim_makes_an_attempt_with_a_directory_of_its_own() -> None:
    action = queued()
    decision = decide(action, Claimed(action.key, "t1", "host"), NOW + SECOND)
    assert decision.action.phase is Phase.INITIALIZING
    assert (decision.action.attempt, decision.action.token) == (1, "t1")
    assert decision.action.output_uri == "/data/r/x/1"
    attempt = decision.attempt
    assert attempt is not None
    assert (attempt.number, attempt.worker, attempt.output_uri) == (1, "host", "/data/r/x/1")
    assert (attempt.queued_at, attempt.claimed_at) == (NOW, NOW + SECOND)


def test_what_is_not_due_is_not_claimed() -> None:
    action = queued()
    late = replace(action, due_at=NOW + 1)
    assert decide(late, Claimed(action.key, "t1"), NOW).ignored is not None


def test_a_success_ends_the_action() -> None:
    action = running()
    decision = decide(action, Succeeded(key(action), NOW + 3 * SECOND), NOW + 4 * SECOND)
    done = decision.action
    assert (done.phase, done.ended_at, done.failure) == (Phase.SUCCEEDED, NOW + 3 * SECOND, None)
    assert done.started_at == NOW + SECOND
    assert decision.attempt is not None
    assert decision.attempt.phase is Phase.SUCCEEDED
    assert decision.publish is None


def test_an_end_without_a_start_brings_the_start_with_it() -> None:
    action = claimed()
    done = decide(action, Succeeded(key(action), NOW + 9, started_at=NOW + 5), NOW + 9)
    assert done.action.started_at == NOW + 5
    assert done.attempt is not None
    assert done.attempt.started_at == NOW + 5


@pytest.mark.parametrize("event", [Succeeded, lambda k, at: Failed(k, OOPS, at)])
def test_a_report_with_another_token_is_ignored(event: type[Succeeded]) -> None:
    action = running()
    foreign = AttemptKey(1, "x", 1, "t0")
    decision = decide(action, event(foreign, NOW), NOW)
    assert decision.action is action
    assert decision.ignored is not None
    assert decision.attempt is None


def test_a_user_failure_is_retried_after_its_backoff() -> None:
    policy = Policy(retries=2, backoff_base_seconds=2, backoff_factor=3)
    action = running(policy=policy)
    decision = decide(action, Failed(key(action), OOPS, NOW + 5 * SECOND), NOW + 5 * SECOND)
    again = decision.action
    assert (again.phase, again.user_failures, again.failure) == (Phase.QUEUED, 1, None)
    assert again.due_at == NOW + 7 * SECOND
    assert again.token == "", "nothing that the old process says counts any more"
    assert decision.attempt is not None
    assert decision.attempt.failure == OOPS
    second = decide(again, Claimed(again.key, "t2"), again.due_at).action
    assert (second.attempt, second.output_uri) == (2, "/data/r/x/2")
    third = decide(second, Failed(key(second), OOPS, NOW), NOW).action
    assert third.due_at == NOW + 6 * SECOND


def test_the_last_failure_is_the_users_own() -> None:
    action = running(policy=Policy(retries=0))
    done = decide(action, Failed(key(action), OOPS, NOW), NOW).action
    assert (done.phase, done.failure) == (Phase.FAILED, OOPS)


def test_a_failure_that_is_not_recoverable_is_not_retried() -> None:
    action = running(policy=Policy(retries=5))
    final = replace(OOPS, recoverable=False)
    done = decide(action, Failed(key(action), final, NOW), NOW).action
    assert (done.phase, done.failure) == (Phase.FAILED, final)


def test_lost_processes_do_not_eat_the_users_retries() -> None:
    action = running(policy=Policy(retries=1, system_retries=3))
    waits = []
    for _ in range(3):
        action = decide(action, Lost(key(action), "machine restarted", NOW), NOW).action
        assert action.phase is Phase.QUEUED
        waits.append((action.due_at - NOW) / SECOND)
        action = decide(action, Claimed(action.key, "again"), action.due_at).action
    assert waits == [1, 2, 4]
    assert (action.user_failures, action.system_failures, action.attempt) == (0, 3, 4)
    done = decide(action, Lost(key(action), "machine restarted", NOW), NOW).action
    assert done.phase is Phase.FAILED
    assert done.failure is not None
    assert (done.failure.blame, done.failure.code) == (Blame.SYSTEM, "WorkerLost")


def test_an_abort_without_a_process_is_the_end() -> None:
    action = queued()
    done = decide(action, AbortRequested(action.key, "enough"), NOW + 1).action
    assert (done.phase, done.ended_at) == (Phase.ABORTED, NOW + 1)
    assert done.failure == Failure("Aborted", "enough", recoverable=False)


@pytest.mark.parametrize("start", [claimed, running])
def test_an_abort_waits_for_the_process(start: type[Action]) -> None:
    action = start()
    marked = decide(action, AbortRequested(action.key, "enough"), NOW).action
    assert (marked.phase, marked.aborting) == (action.phase, "enough")
    again = decide(marked, AbortRequested(action.key, "again"), NOW)
    assert again.ignored is not None
    ends = (
        Succeeded(key(action), NOW),
        Failed(key(action), OOPS, NOW),
        Lost(key(action), "gone", NOW),
    )
    for end in ends:
        decision = decide(marked, end, NOW)
        assert (decision.action.phase, decision.action.aborting) == (Phase.ABORTED, None)
        assert decision.attempt is not None
        assert decision.attempt.phase is Phase.ABORTED


def test_max_runtime_marks_kills_and_is_charged_to_the_user() -> None:
    action = running(policy=Policy(retries=1, max_runtime_seconds=10))
    assert action.limit_at == NOW + 11 * SECOND
    limit = TimedOut(action.key, 1, "MaxRuntimeExceeded", "too long")
    marked = decide(action, limit, NOW).action
    assert marked.phase is Phase.RUNNING
    assert marked.stopping == Failure("MaxRuntimeExceeded", "too long")
    assert marked.limit_at is None
    killed = Failed(key(action), Failure("Killed", "signal 15", Blame.SYSTEM), NOW)
    again = decide(marked, killed, NOW).action
    assert (again.phase, again.user_failures, again.system_failures) == (Phase.QUEUED, 1, 0)
    assert again.stopping is None
    second = decide(again, Claimed(again.key, "t2"), NOW).action
    second = decide(second, Started(key(second), "host", 78, NOW), NOW).action
    marked = decide(second, replace(limit, attempt=2), NOW).action
    done = decide(marked, Lost(key(second), "gone", NOW), NOW).action
    assert (done.phase, done.failure) == (
        Phase.TIMED_OUT,
        Failure("MaxRuntimeExceeded", "too long"),
    )


def test_a_limit_that_was_decided_on_is_kept_even_if_the_process_was_faster() -> None:
    action = running(policy=Policy(max_runtime_seconds=10))
    marked = decide(action, TimedOut(action.key, 1, "MaxRuntimeExceeded", "too long"), NOW).action
    assert decide(marked, Succeeded(key(action), NOW), NOW).action.phase is Phase.TIMED_OUT


def test_the_deadline_ends_a_waiting_action_at_once() -> None:
    action = queued(policy=Policy(retries=9, deadline_seconds=10))
    done = decide(action, TimedOut(action.key, 0, "DeadlineExceeded", "too late"), NOW).action
    assert (done.phase, done.limit_at) == (Phase.TIMED_OUT, None)


def test_the_deadline_is_not_retried() -> None:
    action = running(policy=Policy(retries=9, deadline_seconds=10))
    marked = decide(action, TimedOut(action.key, 1, "DeadlineExceeded", "too late"), NOW).action
    assert decide(marked, Lost(key(action), "gone", NOW), NOW).action.phase is Phase.TIMED_OUT


@pytest.mark.parametrize(
    ("code", "attempt"),
    [("MaxRuntimeExceeded", 0), ("MaxRuntimeExceeded", 1), ("MaxQueuedTimeExceeded", 2)],
)
def test_a_limit_of_a_moment_that_is_over_is_ignored(code: str, attempt: int) -> None:
    action = queued(attempt=1, policy=Policy(max_runtime_seconds=1, max_queued_seconds=1))
    assert decide(action, TimedOut(action.key, attempt, code, ""), NOW).ignored is not None


def test_a_success_fills_the_cache() -> None:
    action = running(cache_key="k", cache_status=CacheStatus.MISS)
    decision = decide(action, Succeeded(key(action), NOW), NOW)
    assert decision.action.cache_status is CacheStatus.POPULATED
    entry = decision.publish
    assert entry is not None
    assert (entry.key, entry.output_uri, entry.attempt) == ("k", "/data/r/x/1", 1)
    assert not entry.replaces


def test_an_overwrite_replaces_the_entry() -> None:
    action = running(cache_key="k", cache_status=CacheStatus.SKIPPED)
    entry = decide(action, Succeeded(key(action), NOW), NOW).publish
    assert entry is not None
    assert entry.replaces


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.terminal])
def test_a_terminal_phase_is_never_left(phase: Phase) -> None:
    action = replace(running(), phase=phase)
    events: list[Event] = [
        Claimed(action.key, "t2"),
        Started(key(action), "host", 1, NOW),
        Succeeded(key(action), NOW),
        Failed(key(action), OOPS, NOW),
        Lost(key(action), "gone", NOW),
        AbortRequested(action.key, "enough"),
        TimedOut(action.key, 1, "DeadlineExceeded", ""),
    ]
    for event in events:
        decision = decide(action, event, NOW)
        assert decision.action is action
        assert decision.ignored is not None
        assert decision.attempt is None
