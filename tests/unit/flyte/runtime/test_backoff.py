"""Pauses between tries, and the clock."""

from datetime import UTC

import pytest

from flyte._kit import clock
from flyte._kit.backoff import Backoff, sleep_blocking


def test_pauses_grow_up_to_the_cap() -> None:
    assert [Backoff(0.5, 2, 3).delay(n) for n in range(4)] == [0.5, 1.0, 2.0, 3.0]


def test_very_many_tries_are_no_overflow() -> None:
    assert Backoff(1, 10, 60).delay(100_000) == 60


def test_jitter_takes_away_at_most_its_share() -> None:
    pauses = {Backoff(10, 1, 10, jitter=0.3).delay(0) for _ in range(200)}
    assert len(pauses) > 100
    assert min(pauses) >= 7
    assert max(pauses) <= 10


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_pause_is_no_pause(seconds: float) -> None:
    sleep_blocking(seconds)


def test_now_is_in_utc_and_monotonic_never_goes_back() -> None:
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
