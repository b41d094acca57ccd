"""map(): order, bounds, partial failure; in blocking code and in coroutines."""

import asyncio
import functools
import itertools
import threading
from typing import Any

import pytest
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte import errors

env = flyte.TaskEnvironment("maps")


@env.task
def inverse(x: int) -> float:
    return 1 / x


@env.task
async def inverse_async(x: int) -> float:
    await asyncio.sleep(0)
    return 1 / x


@env.task
async def power(base: int, exponent: int) -> int:
    return int(base**exponent)


both = pytest.mark.parametrize("task", [inverse, inverse_async], ids=["plain", "async"])


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


@both
def test_results_come_in_order(task: Any) -> None:
    assert list(flyte.map(task, [1, 2, 4])) == [1, 0.5, 0.25]


@both
async def test_results_come_in_order_in_coroutines(task: Any) -> None:
    assert await listed(flyte.map.aio(task, [1, 2, 4])) == [1, 0.5, 0.25]


@both
def test_errors_are_results(task: Any) -> None:
    one, error, half = flyte.map(task, [1, 0, 2])
    assert (one, half) == (1, 0.5)
    assert isinstance(error, ZeroDivisionError)


@both
def test_or_the_first_error_is_raised(task: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        list(flyte.map(task, [1, 0, 2], return_exceptions=False))


async def test_a_failure_cancels_the_other_calls_at_once() -> None:
    cancelled: list[int] = []

    @env.task
    async def stuck(x: int) -> int:
        if x == 2:
            raise ValueError("two")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(x)
            raise
        return x

    with pytest.raises(ValueError, match="two"):
        await listed(flyte.map.aio(stuck, [0, 1, 2, 3], return_exceptions=False))
    assert cancelled == [0, 1, 3]


async def test_leaving_early_cancels_the_rest() -> None:
    cancelled: list[int] = []

    @env.task
    async def mostly_stuck(x: int) -> int:
        if x:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(x)
                raise
        return x

    results = flyte.map.aio(mostly_stuck, [0, 1, 2])
    assert await anext(results) == 0
    await results.aclose()
    assert cancelled == [1, 2]


@pytest.mark.parametrize(("concurrency", "most"), [(0, 7), (1, 1), (3, 3)])
async def test_concurrency_bounds_how_many_run(concurrency: int, most: int) -> None:
    running: set[int] = set()
    seen: list[int] = []

    @env.task
    async def watched(x: int) -> int:
        running.add(x)
        seen.append(len(running))
        for _ in range(5):
            await asyncio.sleep(0)
        running.remove(x)
        return x

    results = flyte.map.aio(watched, range(7), concurrency=concurrency)
    assert await listed(results) == list(range(7))
    assert max(seen) == most


def test_several_inputs_and_partials() -> None:
    assert list(flyte.map(power, [1, 2, 3], itertools.repeat(2))) == [1, 4, 9]
    assert list(flyte.map(functools.partial(power, exponent=3), [1, 2])) == [1, 8]
    assert list(flyte.map(functools.partial(power, 2), [1, 2])) == [2, 4]
    assert list(flyte.map(power, [], [])) == []


def test_inside_a_task_the_runtime_is_asked_under_one_heading() -> None:
    runtime = FakeRuntime()
    with runtime.task():
        assert list(flyte.map(inverse, [1, 2])) == [1, 0.5]
        assert list(flyte.map(inverse_async, [4], group_name="quarters")) == [0.25]
        inverse(1)
    assert [call.group for call in runtime.calls] == [
        "inverse_map", "inverse_map", "quarters", None,
    ]  # fmt: skip


def test_a_task_may_map_within_a_map() -> None:
    @env.task
    def inner(x: int) -> float:
        return sum(flyte.map(inverse, [x, x]))

    @env.task
    async def outer(x: int) -> float:
        return await asyncio.to_thread(inner.forward, x)

    assert list(flyte.map(outer, [1, 2])) == [2, 1]


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    results = flyte.map(inverse, range(1, 100))
    next(results)
    results.close()  # pyright: ignore
    assert threading.active_count() == before


async def test_blocking_form_is_refused_on_a_loop() -> None:
    with pytest.raises(errors.SyncTaskCallInAsyncContextError, match=r"flyte.map.aio"):
        flyte.map(inverse, [1])


@pytest.mark.parametrize(
    ("func", "settings", "complaint"),
    [
        (abs, {}, "takes a task or a functools.partial of one"),
        (functools.partial(abs, 1), {}, "takes a task or a functools.partial of one"),
        (inverse, {"concurrency": -1}, "concurrency must be 0"),
        (inverse, {"concurrency": 1.5}, "concurrency must be 0"),
    ],
)
def test_wrong_use_is_named_at_once(func: Any, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        flyte.map(func, [1], **settings)
