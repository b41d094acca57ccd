"""One body, two ways to call it: functions, methods, class methods, generators."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support import wait_until

from flyte._kit import aio
from flyte.syncify import syncify


class Shelf:
    def __init__(self, size: int) -> None:
        self.size = size

    @syncify
    async def grown(self, by: int) -> int:
        await asyncio.sleep(0)
        return self.size + by

    @syncify
    @classmethod
    async def label(cls, text: str) -> str:
        """A label."""
        return f"{cls.__name__}: {text}"

    @syncify
    @classmethod
    async def places(cls, count: int) -> AsyncIterator[str]:
        for number in range(count):
            yield f"{cls.__name__}{number}"


class Rack(Shelf):
    pass


def test_blocking_forms() -> None:
    assert Rack(2).grown(3) == 5
    assert Rack.label("x") == Rack(1).label("x") == "Rack: x"
    assert list(Rack.places(2)) == ["Rack0", "Rack1"]
    assert Shelf.label.__doc__ == "A label."


async def test_asynchronous_forms() -> None:
    assert await Rack(2).grown.aio(3) == 5
    assert await Rack.label.aio("x") == "Rack: x"
    assert [place async for place in Rack.places.aio(2)] == ["Rack0", "Rack1"]
    assert [place async for place in Rack.places(2)] == ["Rack0", "Rack1"]


def test_a_blocking_call_on_the_own_loop_is_refused_and_not_a_deadlock() -> None:
    async def nested() -> int:
        return Rack(1).grown(1)

    with pytest.raises(RuntimeError, match=r"await its `\.aio` form"):
        aio.background().wait(nested())


def test_an_abandoned_iteration_closes_its_body() -> None:
    closed: list[bool] = []

    @syncify
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    stream = numbers()
    assert next(stream) == 1
    stream.close()
    assert closed == [True]
    assert list(stream) == []

    for _ in numbers():
        break
    wait_until(lambda: len(closed) == 2)
