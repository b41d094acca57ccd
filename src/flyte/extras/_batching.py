"""Batches of records that many callers bring one by one: for models that answer many questions at once as fast as one.

Callers submit a record and get a future; one loop gathers what is there until a batch is large or costly enough, or
nobody brings more for a moment, and a second one processes.  So the next batch is made up while one is computed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from flyte import errors
from flyte._kit import clock

RecordT = TypeVar("RecordT")
ResultT = TypeVar("ResultT")
ProcessFn = Callable[[list[RecordT]], Awaitable[list[ResultT]]]
CostEstimatorFn = Callable[[RecordT], int]
_CHARACTERS_PER_TOKEN = 4


@runtime_checkable
class CostEstimator(Protocol):
    """A record that knows what it costs."""

    def estimate_cost(self) -> int: ...


@runtime_checkable
class TokenEstimator(Protocol):
    """A record that knows how many tokens it has."""

    def estimate_tokens(self) -> int: ...


@dataclass
class Prompt:
    """A text for a model."""

    text: str

    def estimate_tokens(self) -> int:
        """About how many tokens it has: a quarter of its characters, at least one."""
        return max(1, len(self.text) // _CHARACTERS_PER_TOKEN)


@dataclass
class BatchStats:
    """What a batcher has done so far."""

    total_submitted: int = 0
    total_completed: int = 0
    total_batches: int = 0
    total_batch_cost: int = 0
    avg_batch_size: float = 0.0
    avg_batch_cost: float = 0.0
    busy_time_s: float = 0.0
    idle_time_s: float = 0.0

    @property
    def utilization(self) -> float:
        """The share of the time in which something was processed, from 0 to 1."""
        whole = self.busy_time_s + self.idle_time_s
        return self.busy_time_s / whole if whole else 0.0


@dataclass(slots=True)
class _Entry:
    """A record that waits for its result."""

    record: Any
    cost: int
    result: "asyncio.Future[Any]"


class DynamicBatcher(Generic[RecordT, ResultT]):
    """Gathers records of many callers and processes them in batches.

    Args:
        process_fn: takes a batch and gives as many results, in the same order.
        cost_estimator: what a record costs; else the record's own `estimate_cost()`, else `default_cost`.
        target_batch_cost: a batch is complete when it costs so much.
        max_batch_size: or when it has so many records.
        min_batch_size: but not before it has so many, unless the time is up.
        batch_timeout_s: how long a batch waits for more records.
        max_queue_size: records that may wait; who submits more waits until there is room.
        prefetch_batches: batches that are made up in advance.
        default_cost: of a record that says nothing.

    Example:
        >>> async with DynamicBatcher(model.answer_all, target_batch_cost=8000) as batcher:
        ...     futures = [await batcher.submit(question) for question in questions]
        ...     answers = await asyncio.gather(*futures)
    """

    def __init__(  # noqa: PLR0913 - an official signature
        self,
        process_fn: ProcessFn[RecordT, ResultT],
        *,
        cost_estimator: CostEstimatorFn[RecordT] | None = None,
        target_batch_cost: int = 32000,
        max_batch_size: int = 256,
        min_batch_size: int = 1,
        batch_timeout_s: float = 0.05,
        max_queue_size: int = 5000,
        prefetch_batches: int = 2,
        default_cost: int = 1,
    ) -> None:
        _at_least_one(
            target_batch_cost=target_batch_cost,
            max_batch_size=max_batch_size,
            min_batch_size=min_batch_size,
            max_queue_size=max_queue_size,
            prefetch_batches=prefetch_batches,
        )
        self._process = process_fn
        self._estimate = cost_estimator
        self._target = target_batch_cost
        self._most, self._least = max_batch_size, min(min_batch_size, max_batch_size)
        self._patience = batch_timeout_s
        self._default = default_cost
        self._waiting: asyncio.Queue[_Entry] = asyncio.Queue(max_queue_size)
        self._ready: asyncio.Queue[list[_Entry]] = asyncio.Queue(prefetch_batches)
        self._open: dict[asyncio.Future[Any], None] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._ending = False
        self._idle_since = 0.0
        self._stats = BatchStats()

    @property
    def is_running(self) -> bool:
        """Whether records are taken in."""
        return bool(self._loops) and not self._ending

    @property
    def stats(self) -> BatchStats:
        """What was done so far."""
        return self._stats

    async def start(self) -> None:
        """Begin to take records in; a second start does nothing."""
        if not self._loops:
            self._idle_since = clock.monotonic()
            self._loops = [
                asyncio.create_task(self._gather(), name="batcher: gather"),
                asyncio.create_task(self._compute(), name="batcher: compute"),
            ]

    async def stop(self) -> None:
        """Process what was submitted, then end; a batcher that does not run stays as it is.

        Who cancels it ends at once: what has no result then is cancelled too.
        """
        if not self._loops:
            return
        self._ending = True
        try:
            while self._open:
                await asyncio.wait(list(self._open))
        finally:
            loops, self._loops, self._ending = self._loops, [], False
            for loop in loops:
                loop.cancel()
            for result in list(self._open):  # somebody does not wait for the end
                result.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def __aenter__(self) -> "DynamicBatcher[RecordT, ResultT]":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def submit(
        self, record: RecordT, *, estimated_cost: int | None = None
    ) -> "asyncio.Future[ResultT]":
        """Hand a record in; waits while the queue is full.

        Args:
            record: what is to be processed.
            estimated_cost: what it costs, where the caller knows better.

        Returns:
            The result's future; it fails with what `process_fn` raised for the batch.

        Raises:
            DefinitionError: the batcher does not run.
        """
        if not self.is_running:
            raise errors.DefinitionError(
                "the batcher does not run; call `await batcher.start()` first"
            )
        cost = self._cost(record) if estimated_cost is None else estimated_cost
        result: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._open[result] = None
        result.add_done_callback(self._finished)
        self._stats.total_submitted += 1
        try:
            await self._waiting.put(_Entry(record, cost, result))
        except asyncio.CancelledError:
            result.cancel()  # it never came in, and nobody has the future
            raise
        return result

    async def submit_batch(
        self, records: Sequence[RecordT], *, estimated_cost: Sequence[int] | None = None
    ) -> "list[asyncio.Future[ResultT]]":
        """Hand several records in; they may come into different batches."""
        costs: Sequence[int | None] = estimated_cost or [None] * len(records)
        if len(costs) != len(records):
            raise errors.DefinitionError(
                f"submit_batch: {len(records)} records, but {len(costs)} costs; pass one for each"
            )
        return [
            await self.submit(record, estimated_cost=cost)
            for record, cost in zip(records, costs, strict=True)
        ]

    def _cost(self, record: RecordT) -> int:
        if self._estimate is not None:
            return self._estimate(record)
        return record.estimate_cost() if isinstance(record, CostEstimator) else self._default

    def _finished(self, result: "asyncio.Future[Any]") -> None:
        self._open.pop(result, None)
        self._stats.total_completed += 1

    async def _gather(self) -> None:
        """Make up batches, for ever."""
        held: _Entry | None = None
        while True:
            batch = [held or await self._waiting.get()]
            held = await self._fill(batch)
            await self._ready.put(batch)

    async def _fill(self, batch: list[_Entry]) -> _Entry | None:
        """Add records until the batch is complete; gives one that would have made it too costly."""
        cost = batch[0].cost
        end = clock.monotonic() + self._patience
        while len(batch) < self._most and (cost < self._target or len(batch) < self._least):
            try:
                async with asyncio.timeout(max(end - clock.monotonic(), 0)):
                    entry = await self._waiting.get()
            except TimeoutError:
                return None
            if cost + entry.cost > self._target and len(batch) >= self._least:
                return entry
            batch.append(entry)
            cost += entry.cost
        return None

    async def _compute(self) -> None:
        """Process batches, for ever."""
        while True:
            batch = [each for each in await self._ready.get() if not each.result.done()]
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: list[_Entry]) -> None:
        began = clock.monotonic()
        self._stats.idle_time_s += began - self._idle_since
        try:
            results = await self._results(batch)
        except asyncio.CancelledError:
            for entry in batch:
                entry.result.cancel()
            if _is_cancelled():  # else something within the batch was, and not we
                raise
        except Exception as error:  # noqa: BLE001 - whatever user code raises is every caller's outcome
            for result in _awaited(batch):
                result.set_exception(error)
        else:
            _hand_out(batch, results)
        self._idle_since = clock.monotonic()
        self._count(batch, self._idle_since - began)

    async def _results(self, batch: list[_Entry]) -> list[ResultT]:
        results = await self._process([entry.record for entry in batch])
        if len(results) != len(batch):
            raise errors.DefinitionError(
                f"process_fn gave {len(results)} results for {len(batch)} records; it must give one for each"
            )
        return results

    def _count(self, batch: list[_Entry], seconds: float) -> None:
        stats = self._stats
        before = stats.total_batches
        stats.total_batches += 1
        stats.total_batch_cost += sum(entry.cost for entry in batch)
        stats.avg_batch_size = (stats.avg_batch_size * before + len(batch)) / stats.total_batches
        stats.avg_batch_cost = stats.total_batch_cost / stats.total_batches
        stats.busy_time_s += seconds


class TokenBatcher(DynamicBatcher[RecordT, ResultT]):
    """A batcher whose costs are tokens of a language model.

    Args:
        inference_fn: takes a batch and gives as many answers; `process_fn` is another name for it.
        token_estimator: how many tokens a record has; else its own `estimate_tokens()`.
        target_batch_tokens: a batch is complete when it has so many; `target_batch_cost` is another name.
        default_token_estimate: of a record that says nothing; `default_cost` is another name.

    The other arguments are those of `DynamicBatcher`.
    """

    def __init__(  # noqa: PLR0913 - an official signature
        self,
        inference_fn: ProcessFn[RecordT, ResultT] | None = None,
        *,
        process_fn: ProcessFn[RecordT, ResultT] | None = None,
        token_estimator: CostEstimatorFn[RecordT] | None = None,
        cost_estimator: CostEstimatorFn[RecordT] | None = None,
        target_batch_tokens: int | None = None,
        target_batch_cost: int = 32000,
        default_token_estimate: int | None = None,
        default_cost: int = 1,
        max_batch_size: int = 256,
        min_batch_size: int = 1,
        batch_timeout_s: float = 0.05,
        max_queue_size: int = 5000,
        prefetch_batches: int = 2,
    ) -> None:
        function = inference_fn or process_fn
        if function is None or (inference_fn and process_fn):
            raise errors.DefinitionError("TokenBatcher: pass inference_fn, and not process_fn too")
        super().__init__(
            function,
            cost_estimator=token_estimator or cost_estimator,
            target_batch_cost=target_batch_cost
            if target_batch_tokens is None
            else target_batch_tokens,
            max_batch_size=max_batch_size,
            min_batch_size=min_batch_size,
            batch_timeout_s=batch_timeout_s,
            max_queue_size=max_queue_size,
            prefetch_batches=prefetch_batches,
            default_cost=default_cost if default_token_estimate is None else default_token_estimate,
        )

    async def submit(
        self,
        record: RecordT,
        *,
        estimated_tokens: int | None = None,
        estimated_cost: int | None = None,
    ) -> "asyncio.Future[ResultT]":
        """Hand a record in; `estimated_tokens` where the caller knows better."""
        cost = estimated_cost if estimated_tokens is None else estimated_tokens
        return await super().submit(record, estimated_cost=cost)

    def _cost(self, record: RecordT) -> int:
        if self._estimate is None and isinstance(record, TokenEstimator):
            return record.estimate_tokens()
        return super()._cost(record)


def _is_cancelled() -> bool:
    """Whether somebody cancels the task that asks."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _hand_out(batch: list[_Entry], results: list[Any]) -> None:
    for entry, value in zip(batch, results, strict=True):
        if not entry.result.done():
            entry.result.set_result(value)


def _awaited(batch: list[_Entry]) -> "list[asyncio.Future[Any]]":
    return [entry.result for entry in batch if not entry.result.done()]


def _at_least_one(**given: int) -> None:
    for name, value in given.items():
        if value < 1:
            raise errors.DefinitionError(f"{name}={value!r}: it must be at least 1")
