"""Batches: complete by size, cost or time; each caller gets its own result, or the batch's error."""

import asyncio
from typing import Any

import pytest
from tests.support import eventually

from flyte import errors
from flyte.extras import DynamicBatcher, Prompt, TokenBatcher

LONG = 30.0


class Model:
    """Doubles numbers, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, records: list[int]) -> list[int]:
        self.batches.append(records)
        if -1 in records:
            raise ValueError("negative")
        return [2 * each for each in records]


async def test_many_callers_share_batches_and_each_gets_its_own_result() -> None:
    model = Model()
    async with DynamicBatcher(model, max_batch_size=4, batch_timeout_s=LONG) as batcher:
        futures = await batcher.submit_batch(list(range(8)))
        assert await asyncio.gather(*futures) == [2 * n for n in range(8)]
        stats = batcher.stats
    assert model.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert (stats.total_submitted, stats.total_completed, stats.total_batches) == (8, 8, 2)
    assert stats.avg_batch_size == 4
    assert 0 <= stats.utilization <= 1


async def test_a_batch_is_complete_when_it_costs_enough() -> None:
    model = Model()
    batcher = DynamicBatcher(
        model, cost_estimator=lambda record: record, target_batch_cost=10, batch_timeout_s=0.01
    )
    async with batcher:
        await asyncio.gather(*await batcher.submit_batch([6, 3, 5, 4, 12]))
    assert model.batches == [[6, 3], [5, 4], [12]]


async def test_a_batch_does_not_wait_for_ever_for_more() -> None:
    model = Model()
    async with DynamicBatcher(model, batch_timeout_s=0.01) as batcher:
        assert await (await batcher.submit(1)) == 2
    assert model.batches == [[1]]


async def test_an_error_is_that_of_its_batch_and_the_next_one_goes_on() -> None:
    async with DynamicBatcher(Model(), max_batch_size=2, batch_timeout_s=0.01) as batcher:
        futures = await batcher.submit_batch([1, -1, 3, 4])
        done = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(each) for each in done] == [ValueError, ValueError, int, int]


async def test_too_few_results_are_an_error() -> None:
    async def forgetful(records: list[int]) -> list[int]:
        return records[1:]

    async with DynamicBatcher(forgetful, batch_timeout_s=0.01) as batcher:
        with pytest.raises(errors.DefinitionError, match="0 results for 1 records"):
            await (await batcher.submit(1))


async def test_who_gave_up_is_not_processed_and_stop_waits_for_the_rest() -> None:
    model = Model()
    batcher = DynamicBatcher(model, batch_timeout_s=0.01)
    await batcher.start()
    given_up, wanted = await batcher.submit_batch([1, 2])
    given_up.cancel()
    await batcher.stop()
    assert wanted.result() == 4
    assert model.batches == [[2]]
    assert not batcher.is_running
    with pytest.raises(errors.DefinitionError, match="does not run"):
        await batcher.submit(3)
    await batcher.stop()


async def test_tokens_are_costs() -> None:
    seen: list[list[str]] = []

    async def answer(prompts: list[Prompt]) -> list[str]:
        seen.append([each.text for each in prompts])
        return [each.text.upper() for each in prompts]

    batcher: TokenBatcher[Prompt, str] = TokenBatcher(
        answer, target_batch_tokens=4, batch_timeout_s=0.01
    )
    async with batcher:
        futures = await batcher.submit_batch([Prompt("a" * 8), Prompt("b" * 8), Prompt("c")])
        futures.append(await batcher.submit(Prompt("d"), estimated_tokens=4))
        assert [each[:1] for each in await asyncio.gather(*futures)] == ["A", "B", "C", "D"]
    assert [[text[0] for text in batch] for batch in seen] == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize("given", [{"max_batch_size": 0}, {"target_batch_cost": 0}])
def test_limits_below_one_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(errors.DefinitionError, match="at least 1"):
        DynamicBatcher(Model(), **given)


def test_one_function_is_needed() -> None:
    with pytest.raises(errors.DefinitionError, match="inference_fn"):
        TokenBatcher()


async def test_who_gives_up_while_the_queue_is_full_leaves_nothing_behind() -> None:
    gate = asyncio.Event()

    async def slow(records: list[int]) -> list[int]:
        await gate.wait()
        return records

    batcher = DynamicBatcher(slow, max_batch_size=1, max_queue_size=1, prefetch_batches=1)
    await batcher.start()
    callers = [asyncio.create_task(batcher.submit(n)) for n in range(8)]
    await eventually(lambda: sum(caller.done() for caller in callers) >= 3)
    blocked = [caller for caller in callers if not caller.done()]
    assert blocked
    for caller in blocked:
        caller.cancel()
    gate.set()
    await asyncio.wait_for(batcher.stop(), LONG)
    assert not batcher.is_running
    assert all(caller.cancelled() for caller in blocked)


async def test_an_estimate_that_fails_is_its_callers_and_does_not_hold_the_end_up() -> None:
    def estimate(record: int) -> int:
        raise ValueError(record)

    async with DynamicBatcher(Model(), cost_estimator=estimate) as batcher:
        with pytest.raises(ValueError, match="7"):
            await batcher.submit(7)
        assert batcher.stats.total_submitted == 0


async def test_a_batch_that_is_cancelled_within_does_not_end_the_batcher() -> None:
    async def process(records: list[int]) -> list[int]:
        if -1 in records:
            raise asyncio.CancelledError
        return records

    async with DynamicBatcher(process, max_batch_size=1) as batcher:
        lost, kept = await batcher.submit_batch([-1, 1])
        assert await kept == 1
        assert lost.cancelled()


async def test_nobody_comes_in_while_it_ends_and_who_cannot_wait_ends_it_at_once() -> None:
    async def never(records: list[int]) -> list[int]:
        await asyncio.Event().wait()
        return records

    batcher = DynamicBatcher(never, batch_timeout_s=0.01)
    await batcher.start()
    result = await batcher.submit(1)
    ending = asyncio.create_task(batcher.stop())
    await eventually(lambda: not batcher.is_running)
    with pytest.raises(errors.DefinitionError, match="does not run"):
        await batcher.submit(2)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert result.cancelled()


def test_a_program_that_ends_without_stopping_it_does_not_hang() -> None:
    async def never(records: list[int]) -> list[int]:
        await asyncio.Event().wait()
        return records

    async def main() -> None:
        batcher = DynamicBatcher(never, batch_timeout_s=0.0)
        await batcher.start()
        await batcher.submit(1)
        await eventually(lambda: batcher.stats.idle_time_s > 0)

    asyncio.run(main())
