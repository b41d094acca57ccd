"""decide(): actions that wait for the result of an equal one."""

from dataclasses import replace

import pytest

from flyte_server.domain import limits
from flyte_server.domain.events import (
    AbortRequested,
    Claimed,
    Event,
    FoundInCache,
    Succeeded,
    TimedOut,
    TurnCame,
)
from flyte_server.domain.phases import CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, AttemptKey, Policy
from flyte_server.domain.transitions import decide

NOW = 1_000_000_000


def waiting(policy: Policy | None = None) -> Action:
    action = Action(1, "x", "a0", Kind.TASK, Phase.WAITING_FOR_RESOURCES, "env.f", NOW)
    return replace(
        action,
        policy=policy or Policy(),
        cache_key="k",
        cache_status=CacheStatus.MISS,
        serial_key="p/d/k",
        due_at=NOW,
        queued_at=NOW,
    )


def test_a_turn_makes_it_claimable() -> None:
    action = waiting()
    turned = decide(action, TurnCame(action.key), NOW + 5).action
    assert (turned.phase, turned.queued_at, turned.due_at) == (Phase.QUEUED, NOW + 5, NOW)
    assert decide(turned, Claimed(turned.key, "t"), NOW + 6).action.phase is Phase.INITIALIZING


def test_a_result_ends_it_as_a_hit() -> None:
    action = waiting()
    ended = decide(action, FoundInCache(action.key, "r/y/1", "/data/r/y/1"), NOW + 5).action
    assert (ended.phase, ended.cache_status) == (Phase.SUCCEEDED, CacheStatus.HIT)
    assert (ended.cache_source, ended.output_uri) == ("r/y/1", "/data/r/y/1")
    assert (ended.started_at, ended.ended_at, ended.attempt) == (NOW + 5, NOW + 5, 0)


def test_nobody_claims_it_before_its_turn() -> None:
    action = waiting()
    assert decide(action, Claimed(action.key, "t"), NOW).ignored is not None


def test_waiting_for_resources_is_something_else() -> None:
    other = replace(waiting(), serial_key=None)
    assert decide(other, Claimed(other.key, "t"), NOW).action.phase is Phase.INITIALIZING


@pytest.mark.parametrize(
    "event", [TurnCame(waiting().key), FoundInCache(waiting().key, "r/y/1", "/data")]
)
def test_a_turn_counts_only_while_it_waits(event: Event) -> None:
    queued = replace(waiting(), phase=Phase.QUEUED)
    assert decide(queued, event, NOW).ignored is not None
    retried = replace(waiting(), attempt=1)
    assert decide(retried, event, NOW).ignored is not None


def test_it_can_be_aborted_and_has_a_deadline_but_is_not_late_in_the_queue() -> None:
    action = waiting(Policy(max_queued_seconds=1, deadline_seconds=60))
    assert limits.next_at(action) == NOW + 60_000_000
    late = TimedOut(action.key, 0, limits.MAX_QUEUED, "late")
    assert decide(action, late, NOW).ignored is not None
    over = TimedOut(action.key, 0, limits.DEADLINE, "over")
    assert decide(action, over, NOW).action.phase is Phase.TIMED_OUT
    assert decide(action, AbortRequested(action.key, "enough"), NOW).action.phase is Phase.ABORTED
    turned = decide(action, TurnCame(action.key), NOW + 5).action
    assert turned.limit_at == NOW + 5 + 1_000_000


def test_an_entry_that_could_not_be_used_is_replaced() -> None:
    action = waiting()
    turned = decide(action, TurnCame(action.key, "r/old/1"), NOW).action
    running = decide(turned, Claimed(turned.key, "t"), NOW).action
    attempt = AttemptKey(1, "x", 1, "t")
    published = decide(running, Succeeded(attempt, NOW), NOW).publish
    assert published is not None
    assert published.replaces
    assert published.task_name == "env.f"
