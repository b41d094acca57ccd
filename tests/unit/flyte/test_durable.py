"""Durable time: a task that is started again gets the same moments, and sleeps only what is left."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.fakes.runtime import FakeRuntime

from flyte import _context, durable, errors
from flyte._kit import clock

LONG = 0.4


def test_outside_of_tasks_it_is_the_time() -> None:
    before = clock.now()
    assert before.timestamp() <= durable.time() <= durable.now().timestamp()
    assert durable.now().tzinfo is UTC


def test_a_task_that_is_started_again_gets_the_same_moments() -> None:
    runtime = FakeRuntime()
    with runtime.task():
        first = (durable.time(), durable.now())
    with runtime.task():
        assert (durable.time(), durable.now()) == first


async def test_coroutines_have_a_form_of_their_own() -> None:
    runtime = FakeRuntime()
    with runtime.task():
        first = (await durable.time.aio(), await durable.now.aio())
    with runtime.task():
        assert (await durable.time.aio(), await durable.now.aio()) == first
    assert isinstance(first[1], datetime)


async def test_a_sleep_that_was_cut_off_does_not_begin_again() -> None:
    runtime = FakeRuntime()
    with runtime.task():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG / 4):
                await durable.sleep.aio(LONG)
        (begun,) = runtime.outcomes
    with runtime.task():
        await durable.sleep.aio(LONG)
    assert begun.started_at is not None
    slept = (clock.now() - begun.started_at).total_seconds()
    assert LONG <= slept < 2 * LONG
    assert len(runtime.outcomes) == 1


def test_a_sleep_that_is_over_when_the_task_is_started_again_takes_no_time() -> None:
    runtime = FakeRuntime()
    with runtime.task():
        durable.sleep(0.01)
    (key,) = runtime.records
    runtime.records[key] = _context.Outcome(value=clock.now_us() - 1)
    before = clock.monotonic()
    with runtime.task():
        durable.sleep(0.01)
    assert clock.monotonic() - before < 0.01


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "3", None])
def test_what_is_no_length_of_time_is_refused(seconds: float) -> None:
    with pytest.raises(errors.DefinitionError, match="number of seconds"):
        durable.sleep(seconds)
