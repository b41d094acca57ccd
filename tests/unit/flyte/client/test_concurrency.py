"""Some work at a time."""

import asyncio
from functools import partial

import pytest

from flyte._client.concurrency import together


@pytest.mark.looptime
async def test_results_come_in_order_and_only_so_many_are_at_work() -> None:
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(10 - number)
        running -= 1
        return number

    assert await together((partial(work, n) for n in range(9)), at_once=4) == list(range(9))
    assert most == 4


async def test_nothing_to_do_is_done() -> None:
    assert await together([], at_once=4) == []


@pytest.mark.looptime
async def test_the_first_failure_ends_the_others_and_is_raised_itself() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.sleep(1 if number == 3 else 1000)
            raise ValueError(number)
        finally:
            ended.append(number)

    with pytest.raises(ValueError, match="3"):
        await together((partial(work, n) for n in range(100)), at_once=5)
    assert sorted(ended) == [0, 1, 2, 3, 4], "and no further one has begun"
    assert asyncio.get_running_loop().time() < 10


@pytest.mark.looptime
async def test_cancellation_leaves_nothing_behind() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(number)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await together((partial(work, n) for n in range(100)), at_once=3)
    assert sorted(ended) == [0, 1, 2]
