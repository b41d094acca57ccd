"""What a replica is told, over lost answers and broken connections."""

import asyncio

import pytest
from tests.fakes.clock import LoopClock

from flyte_server.engine.ports import Drain
from flyte_server.executors.replicas.orders import Orders

pytestmark = pytest.mark.looptime


def numbers(orders: list[object]) -> list[int]:
    return [order.number for order in orders]  # type: ignore[attr-defined]


async def test_orders_that_did_not_arrive_come_again() -> None:
    orders = Orders()
    orders.add(Drain())
    orders.add(Drain())
    assert numbers(await orders.after(0, 1)) == [1, 2]
    assert numbers(await orders.after(0, 1)) == [1, 2], "the answer was lost"
    assert numbers(await orders.after(1, 1)) == [2]


async def test_who_waits_is_answered_with_all_of_one_turn() -> None:
    orders = Orders()
    waiting = asyncio.create_task(orders.after(0, 60))
    await LoopClock().sleep(1)
    for _ in range(3):
        orders.add(Drain())
    assert numbers(await waiting) == [1, 2, 3]
    assert LoopClock().monotonic() == 1


async def test_nothing_to_say_is_said_when_the_time_is_over() -> None:
    assert await Orders().after(0, 5) == []
    assert LoopClock().monotonic() == 5


async def test_the_newest_question_is_answered() -> None:
    orders = Orders()
    broken = asyncio.create_task(orders.after(0, 60))
    await LoopClock().sleep(1)
    asked_again = asyncio.create_task(orders.after(0, 60))
    assert await broken == []
    orders.add(Drain())
    assert numbers(await asked_again) == [1]


async def test_the_end_of_a_session_answers_who_waits() -> None:
    orders = Orders()
    waiting = asyncio.create_task(orders.after(0, 60))
    await LoopClock().sleep(1)
    orders.end()
    assert await waiting == []
