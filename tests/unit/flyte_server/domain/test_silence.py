"""Silence is measured in the listener's own waking time."""

from hypothesis import given
from hypothesis import strategies as st

from flyte_server.domain.silence import Silence

TICK = 2.0
LEASE = 10.0

on_time = st.floats(0.0, TICK)
late = st.floats(TICK, 2 * TICK)
asleep = st.floats(2 * TICK, 1e6)
pauses = st.lists(st.one_of(on_time, late, asleep), max_size=60)


def test_whoever_is_heard_is_not_silent() -> None:
    silence = Silence[str](TICK)
    silence.tick(0.0)
    silence.heard("h")
    silence.tick(1.5)
    assert silence.of("h") == 1.5
    silence.heard("h")
    assert silence.of("h") == 0.0


def test_nobody_is_silent_before_the_first_tick() -> None:
    silence = Silence[str](TICK)
    silence.watch("h")
    silence.tick(1e9)
    assert silence.of("h") == 0.0
    assert silence.of("never watched") == 0.0


def test_watching_again_does_not_excuse() -> None:
    silence = Silence[str](TICK)
    silence.tick(0.0)
    silence.watch("h")
    silence.tick(2.0)
    silence.watch("h")
    assert silence.of("h") == 2.0


def test_who_is_not_kept_is_forgotten() -> None:
    silence = Silence[str](TICK)
    silence.tick(0.0)
    for name in ("h", "gone"):
        silence.heard(name)
    silence.tick(2.0)
    silence.keep({"h"})
    assert (silence.of("h"), silence.of("gone")) == (2.0, 0.0)


@given(pauses=pauses)
def test_a_sleep_counts_for_two_ticks_at_most(pauses: list[float]) -> None:
    """Never more than the time that has passed, never more than two ticks each."""
    silence = Silence[str](TICK)
    now = 0.0
    silence.tick(now)
    silence.watch("h")
    for pause in pauses:
        now += pause
        silence.tick(now)
    counted = silence.of("h")
    assert counted <= now * (1 + 1e-9)
    assert counted <= 2 * TICK * len(pauses)
    assert counted >= sum(min(pause, TICK) for pause in pauses) * (1 - 1e-9)


@given(pauses=pauses, answers=st.lists(st.booleans(), min_size=60, max_size=60))
def test_who_answers_at_every_other_tick_is_never_silent_for_a_lease(
    pauses: list[float], answers: list[bool]
) -> None:
    """However often and however long the listener sleeps between the ticks."""
    silence = Silence[str](TICK)
    now, last = 0.0, True
    silence.tick(now)
    silence.heard("h")
    for pause, answered in zip(pauses, answers, strict=False):
        now += pause
        silence.tick(now)
        if answered or not last:
            silence.heard("h")
        last = answered or not last
        assert silence.of("h") < LEASE


@given(pauses=st.lists(late, min_size=10, max_size=10))
def test_whoever_is_dead_is_found_within_two_leases(pauses: list[float]) -> None:
    """Even where every tick comes late."""
    silence = Silence[str](TICK)
    now = 0.0
    silence.tick(now)
    silence.heard("h")
    for pause in pauses:
        now += pause
        silence.tick(now)
        if silence.of("h") > LEASE:
            break
    assert silence.of("h") > LEASE
    assert now <= 2 * LEASE


@given(steps=st.lists(st.floats(-3600.0, 3600.0), max_size=30))
def test_a_clock_that_goes_back_counts_nothing(steps: list[float]) -> None:
    silence = Silence[str](TICK)
    silence.tick(0.0)
    silence.watch("h")
    now = 0.0
    for step in steps:
        before = silence.of("h")
        now += step
        silence.tick(now)
        assert 0.0 <= silence.of("h") - before <= 2 * TICK + 1e-6
