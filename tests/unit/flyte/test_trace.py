"""@trace on the four kinds of function: one story."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte import _context, errors

ran: list[str] = []


@flyte.trace
def plain(x: int) -> int:
    ran.append("plain")
    if x < 0:
        raise ValueError("negative")
    return x * x


@flyte.trace
async def waiting(x: int) -> int:
    ran.append("waiting")
    await asyncio.sleep(0)
    if x < 0:
        raise ValueError("negative")
    return x * x


@flyte.trace
def yielding(x: int) -> Iterator[int]:
    ran.append("yielding")
    yield x
    if x < 0:
        raise ValueError("negative")
    yield x * x


@flyte.trace
async def streaming(x: int) -> AsyncIterator[int]:
    ran.append("streaming")
    yield x
    await asyncio.sleep(0)
    if x < 0:
        raise ValueError("negative")
    yield x * x


async def use(traced: Callable[[int], Any], x: int) -> Any:
    """Call any of the four to its end."""
    given = traced(x)
    if inspect.isasyncgen(given):
        return [item async for item in given]
    if inspect.isgenerator(given):
        return list(given)
    return await given if inspect.isawaitable(given) else given


every_kind = pytest.mark.parametrize(
    ("traced", "value"),
    [(plain, 9), (waiting, 9), (yielding, [3, 9]), (streaming, [3, 9])],
    ids=["plain", "waiting", "yielding", "streaming"],
)


@pytest.fixture
def runtime() -> FakeRuntime:
    ran.clear()
    return FakeRuntime()


@every_kind
async def test_outside_of_tasks_it_is_the_function(traced: Any, value: Any) -> None:
    assert await use(traced, 3) == value
    with pytest.raises(ValueError, match="negative"):
        await use(traced, -3)


@every_kind
def test_it_stays_the_kind_of_function_that_it_was(traced: Any, value: Any) -> None:
    original = traced.__wrapped__
    for ask in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ):
        assert ask(traced) == ask(original)
    assert traced.__name__ == original.__name__
    assert inspect.signature(traced) == inspect.signature(original)


@every_kind
async def test_the_first_call_is_recorded(runtime: FakeRuntime, traced: Any, value: Any) -> None:
    with runtime.task():
        assert await use(traced, 3) == value
    (outcome,) = runtime.outcomes
    assert (outcome.value, outcome.error) == (value, None)
    assert outcome.started_at is not None
    assert outcome.ended_at is not None
    assert outcome.started_at <= outcome.ended_at
    assert runtime.calls[0].arguments == {"x": 3}
    assert runtime.calls[0].blocking == (traced in (plain, yielding))


@every_kind
async def test_the_second_attempt_does_not_run_it_again(
    runtime: FakeRuntime, traced: Any, value: Any
) -> None:
    for _ in range(2):
        with runtime.task():
            assert await use(traced, 3) == value
    assert len(ran) == 1


@every_kind
async def test_an_error_is_recorded_and_raised_again(
    runtime: FakeRuntime, traced: Any, value: Any
) -> None:
    for _ in range(2):
        with runtime.task(), pytest.raises(ValueError, match="negative"):
            await use(traced, -3)
    assert len(ran) == 1
    assert runtime.outcomes[0].value is None


@pytest.mark.parametrize("traced", [yielding, streaming])
async def test_a_consumer_that_leaves_early_records_nothing(
    runtime: FakeRuntime, traced: Any
) -> None:
    with runtime.task():
        if traced is yielding:
            given = traced(3)
            assert next(given) == 3
            given.close()
        else:
            given = traced(3)
            assert await anext(given) == 3
            await given.aclose()
    assert runtime.outcomes == []


async def test_a_cancelled_call_records_nothing(runtime: FakeRuntime) -> None:
    started = asyncio.Event()

    @flyte.trace
    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    with runtime.task():
        running = asyncio.create_task(forever())
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert runtime.outcomes == []


def test_an_interrupted_call_records_nothing(runtime: FakeRuntime) -> None:
    @flyte.trace
    def interrupted() -> None:
        raise KeyboardInterrupt

    with runtime.task(), pytest.raises(KeyboardInterrupt):
        interrupted()
    assert runtime.outcomes == []


@pytest.mark.parametrize("traced", [yielding, streaming])
async def test_body_is_closed_with_the_generator(runtime: FakeRuntime, traced: Any) -> None:
    closed: list[str] = []

    @flyte.trace
    def plainly() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append("plainly")

    @flyte.trace
    async def waitingly() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("waitingly")

    with runtime.task():
        if traced is yielding:
            given = plainly()
            next(given)
            given.close()
        else:
            given = waitingly()
            await anext(given)
            await given.aclose()
    assert len(closed) == 1


async def test_the_consumer_is_not_inside_the_trace(runtime: FakeRuntime) -> None:
    @flyte.trace
    async def inside() -> AsyncIterator[str | None]:
        here = _context.scope()
        yield here.trace if here else None

    with runtime.task():
        async for name in inside():
            assert name is not None
            assert name.endswith("inside")
            here = _context.scope()
            assert here is not None
            assert here.trace is None


async def test_a_trace_in_a_trace_belongs_to_the_outer_one(runtime: FakeRuntime) -> None:
    @flyte.trace
    async def outer() -> int:
        return plain(2) + await waiting(3) + sum(yielding(1))

    with runtime.task():
        assert await outer() == 15
    assert len(runtime.outcomes) == 1


async def test_group_and_defaults_go_into_the_call(runtime: FakeRuntime) -> None:
    @flyte.trace
    def helper(x: int, *rest: int, scale: float = 2.0, **options: str) -> float:
        return (x + sum(rest)) * scale

    with runtime.task(), flyte.group("g"):
        assert helper(1, 2, 3, name="a") == 12
    (call,) = runtime.calls
    assert call.group == "g"
    assert call.arguments == {"x": 1, "rest": (2, 3), "scale": 2.0, "options": {"name": "a"}}


def test_interface_of_a_generator_is_a_list(runtime: FakeRuntime) -> None:
    with runtime.task():
        list(yielding(3))
        plain(3)
    assert [call.callee.interface.outputs for call in runtime.calls] == [
        {"o0": list[int]},
        {"o0": int},
    ]
    assert runtime.calls[0].callee.interface.joined({"o0": [1]}) == [1]


def test_none_is_a_value(runtime: FakeRuntime) -> None:
    @flyte.trace
    def nothing() -> None:
        ran.append("nothing")

    for _ in range(2):
        with runtime.task():
            nothing()
    assert ran == ["nothing"]


def test_only_functions_are_traced() -> None:
    env = flyte.TaskEnvironment("e")

    @env.task
    def task() -> None: ...

    for thing in (task, 3, int):
        with pytest.raises(errors.DefinitionError, match="goes on functions"):
            flyte.trace(thing)  # pyright: ignore


def test_methods_are_traced_too(runtime: FakeRuntime) -> None:
    class Model:
        def __repr__(self) -> str:
            return "model"

        @flyte.trace
        def ask(self, question: str) -> str:
            return question.upper()

    with runtime.task():
        assert Model().ask("why") == "WHY"
        assert Model().ask(question="why") == "WHY"
    assert len(runtime.outcomes) == 1
