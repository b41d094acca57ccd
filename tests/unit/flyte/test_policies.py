"""Retries, pauses, time limits and reuse."""

from datetime import timedelta
from typing import Any

import pytest

import flyte
from flyte import errors
from flyte._policies import retry_strategy, timeout

SECOND = timedelta(seconds=1)


def test_pauses_grow_up_to_the_cap() -> None:
    backoff = flyte.Backoff(SECOND, factor=2, cap=5 * SECOND)
    pauses = [backoff.compute_delay(n).total_seconds() for n in range(5)]
    assert pauses == [1, 2, 4, 5, 5]


def test_pause_is_constant_by_default_and_never_overflows() -> None:
    assert flyte.Backoff(SECOND).compute_delay(100) == SECOND
    assert flyte.Backoff(SECOND, factor=10, cap=SECOND * 9).compute_delay(10_000) == SECOND * 9
    assert flyte.Backoff(SECOND, factor=10).compute_delay(10_000) == timedelta.max


def test_seconds_become_timedeltas() -> None:
    assert timeout(90) == flyte.Timeout(max_runtime=90)
    assert timeout(90) == flyte.Timeout(max_runtime=timedelta(minutes=1.5))
    assert timeout(timedelta(seconds=0.5)) == flyte.Timeout(timedelta(seconds=0.5))
    assert timeout(0) is timeout(None) is None
    assert retry_strategy(3) == flyte.RetryStrategy(3)
    policy = flyte.ReusePolicy(replicas=4, idle_ttl=60)
    assert (policy.min_replicas, policy.max_replicas) == (4, 4)
    assert policy.idle_ttl == timedelta(minutes=1)
    assert policy.get_scaledown_ttl() == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("make", "settings", "complaint"),
    [
        (flyte.RetryStrategy, {"count": -1}, "retries must be at least 0"),
        (flyte.RetryStrategy, {"count": True}, "retries must be a whole number, got bool"),
        (flyte.RetryStrategy, {"count": "3"}, "retries must be a whole number, got str"),
        (flyte.RetryStrategy, {"count": 1, "backoff": 3}, "backoff must be a Backoff"),
        (flyte.Backoff, {"base": timedelta(0)}, "Backoff: base must be positive"),
        (flyte.Backoff, {"base": SECOND, "factor": 0.5}, "factor must be at least 1"),
        (flyte.Backoff, {"base": SECOND, "factor": "2"}, "factor must be a number"),
        (flyte.Backoff, {"base": SECOND, "cap": -1}, "Backoff: cap must be positive"),
        (flyte.Timeout, {"max_runtime": -1}, "Timeout: max_runtime must be positive"),
        (
            flyte.Timeout,
            {"deadline": "1h"},
            "Timeout: deadline must be whole seconds or a timedelta",
        ),
        (flyte.ReusePolicy, {"replicas": (3, 1)}, "replicas must be .least, most., got 3 > 1"),
        (flyte.ReusePolicy, {"replicas": (1, 2, 3)}, "replicas must be a number or a pair"),
        (flyte.ReusePolicy, {"replicas": 0}, "most replicas must be at least 1"),
        (flyte.ReusePolicy, {"concurrency": 0}, "concurrency must be at least 1"),
        (flyte.ReusePolicy, {"scope": "cluster"}, "scope must be 'global' or 'run'"),
        (flyte.ReusePolicy, {"idle_ttl": 29}, "idle_ttl must be at least 30 seconds, got 0:00:29"),
        (flyte.ReusePolicy, {"scaledown_ttl": SECOND}, "scaledown_ttl must be at least 30 seconds"),
        (flyte.ReusePolicy, {"idle_ttl": 60.0}, "idle_ttl must be whole seconds or a timedelta"),
        (flyte.ReusePolicy, {"replicas": 1.5}, "replicas must be a whole number, got float"),
        (flyte.ReusePolicy, {"concurrency": True}, "concurrency must be a whole number, got bool"),
    ],
)
def test_wrong_values_are_named(make: Any, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        make(**settings)


def test_one_place_in_all_is_worth_a_warning() -> None:
    with pytest.warns(UserWarning, match="no place for a child"):
        flyte.ReusePolicy(replicas=1)
    assert flyte.ReusePolicy(replicas=1, concurrency=2).max_replicas == 1
    assert flyte.ReusePolicy(replicas=(0, 2)).min_replicas == 0


def test_true_is_no_time_limit() -> None:
    with pytest.raises(errors.DefinitionError, match="timeout must be whole seconds"):
        timeout(True)
    with pytest.raises(errors.DefinitionError, match="timeout must be whole seconds"):
        timeout(False)
