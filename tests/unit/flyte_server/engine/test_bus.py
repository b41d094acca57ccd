"""The bus: nobody misses a wake, nobody waits longer than asked."""

import asyncio

import pytest

from flyte_server.engine.bus import QUEUE, RUNS, Bus, run_topic

pytestmark = pytest.mark.looptime


async def test_a_wake_before_the_wait_is_not_lost() -> None:
    bus = Bus()
    with bus.subscribe(QUEUE) as queue:
        bus.wake(QUEUE)
        assert await queue.wait(0) is True
        assert await queue.wait(0) is False, "and counts once"


async def test_a_wake_ends_the_wait() -> None:
    bus, loop = Bus(), asyncio.get_running_loop()
    with bus.subscribe(run_topic(1), RUNS) as changes:
        loop.call_later(2, bus.wake, run_topic(1))
        begin = loop.time()
        assert await changes.wait(60) is True
        assert loop.time() - begin == 2


async def test_other_topics_do_not_wake() -> None:
    bus, loop = Bus(), asyncio.get_running_loop()
    with bus.subscribe(run_topic(1)) as changes:
        bus.wake(run_topic(2), QUEUE)
        begin = loop.time()
        assert await changes.wait(5) is False
        assert loop.time() - begin == 5


async def test_every_subscriber_is_woken() -> None:
    bus = Bus()
    with bus.subscribe(QUEUE) as one, bus.subscribe(QUEUE) as other:
        waits = asyncio.gather(one.wait(60), other.wait(60))
        await asyncio.sleep(0)
        bus.wake(QUEUE)
        assert await waits == [True, True]


async def test_a_cancelled_wait_leaves_the_subscription_usable() -> None:
    bus = Bus()
    with bus.subscribe(QUEUE) as queue:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.wait(60), 1)
        bus.wake(QUEUE)
        assert await queue.wait(60) is True


async def test_a_subscription_that_is_over_leaves_nothing_behind() -> None:
    bus = Bus()
    for run_id in range(100):
        with bus.subscribe(run_topic(run_id)):
            pass
    assert not bus._subscribers
