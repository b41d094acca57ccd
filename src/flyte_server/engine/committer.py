"""Transactions, one after the other: what arrives while one is on its way to the disk goes into the next one.

One sync for many callers; and no caller has an answer before what it asked for is committed.
"""

import asyncio
import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from flyte_server.clock import Clock
from flyte_server.domain import errors
from flyte_server.engine import bus
from flyte_server.engine.bus import Bus, Topic
from flyte_server.engine.ports import Outputs
from flyte_server.engine.pulse import Pulse
from flyte_server.engine.unit import Unit
from flyte_server.store import faults
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

T = TypeVar("T")
Answer = Callable[[], T]
"""Made inside the transaction, called after everything in it was written."""
Work = Callable[[Unit], Answer[Any]]

_LARGEST_BATCH = 512
"""So that one caller never waits for thousands."""
_MOST_TRIES = 5
"""Of a transaction that met rows which another control plane had changed under it."""
_INNER: frozenset[Topic] = frozenset({bus.QUEUE, bus.ABORTS, bus.LIMITS})
"""Of our own loops: they may act on what a power cut would take back, nobody else may be told of it."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Item:
    work: Work
    answer: asyncio.Future[Any]
    since: float


@dataclass(frozen=True, slots=True)
class _Done:
    """What a transaction gave."""

    results: list[object]
    """One for each piece of work: its answer, or why it was refused."""
    topics: frozenset[Topic]
    must_last: bool


class Committer:
    """Does work on units, and answers after the commit.

    Needs no start: a task runs while there is work.
    """

    def __init__(self, database: Database, bus: Bus, clock: Clock, outputs: Outputs) -> None:
        self.pulse = Pulse()
        self._database = database
        self._bus = bus
        self._clock = clock
        self._outputs = outputs
        self._waiting: list[_Item] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def do(self, work: Callable[[Unit], Answer[T]]) -> T:
        """Do `work` in a transaction, which it may share; returns after the commit.

        The work may be done several times, always on fresh rows, until a transaction of it is committed.

        Raises:
            errors.ControlPlaneError: when the work refuses; then it must not have changed anything before.
            errors.Unavailable: when the store fails; nothing was changed.
        """
        if self._closed:
            raise errors.Unavailable("the control plane is stopping; ask again in a moment")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Item(work, answer, self._clock.monotonic()))
        if self._task is None:
            self._task = loop.create_task(self._commit_all(), name="engine-committer")
        return await answer

    async def close(self) -> None:
        """Finish what was accepted and refuse what comes later."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _commit_all(self) -> None:
        try:
            await asyncio.sleep(0)  # let everybody who is ready now into the first batch
            while self._waiting:
                batch = self._waiting[:_LARGEST_BATCH]
                del self._waiting[:_LARGEST_BATCH]
                await self._commit(batch)
        finally:
            self._task = None

    async def _commit(self, batch: list[_Item]) -> None:
        try:
            done = await self._transacted([item.work for item in batch])
        except errors.StoreFailing as failing:  # it fails for all of them, and would again
            for item in batch:
                _answer(item, copy.copy(failing))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one caller
            await self._commit_apart(batch, error)
            return
        self._bus.wake(*(done.topics & _INNER))
        lasts = not done.must_last or await self._reached_disk()
        self._bus.wake(*(done.topics - _INNER))
        now = self._clock.monotonic()
        for item, result in zip(batch, done.results, strict=True):
            self.pulse.answers.add(now - item.since)
            _answer(item, result if lasts else _not_kept())

    async def _transacted(self, works: list[Work]) -> _Done:
        """One transaction; begun again on fresh rows when somebody else changed some under it."""
        for tries_left in reversed(range(_MOST_TRIES)):
            began = self._clock.monotonic()
            try:
                done = await self._database.write(
                    _transact, works, self._clock.now_us(), self._outputs
                )
            except errors.StaleWrite:
                self.pulse.errors["stale"] += 1
                if not tries_left:
                    raise
            except Exception as error:
                raise self._noted(faults.translated(error)) from error
            else:
                self.pulse.commits.add(self._clock.monotonic() - began)
                return done
        raise AssertionError("the last try returns or raises")

    def _noted(self, error: Exception) -> Exception:
        if isinstance(error, errors.StoreFailing):
            self.pulse.errors[error.kind] += 1
            _logger.error("a transaction failed: %s", error)
        return error

    async def _reached_disk(self) -> bool:
        try:
            await self._database.sync()
        except OSError as error:
            self.pulse.errors["sync"] += 1
            _logger.error("the database could not be written to the disk: %s", error)  # noqa: TRY400
            return False
        return True

    async def _commit_apart(self, batch: list[_Item], error: Exception) -> None:
        """Nothing was committed: find the guilty one by giving each a transaction of its own."""
        if len(batch) == 1:
            _logger.error("a change was refused by the store: %s", error, exc_info=error)
            _answer(batch[0], error)
            return
        for item in batch:
            await self._commit([item])


def same(value: T) -> T:
    """An answer that is known already: `partial(same, value)`."""
    return value


def _answer(item: _Item, result: object) -> None:
    if item.answer.done():
        return
    if isinstance(result, Exception):
        item.answer.set_exception(result)
    else:
        item.answer.set_result(result)


def _not_kept() -> errors.Unavailable:
    return errors.Unavailable(
        "the disk refused to keep the change (server.log says why); look what became of it before asking again"
    )


def _transact(connection: Connection, works: list[Work], now_us: int, outputs: Outputs) -> _Done:
    unit = Unit(connection, now_us, outputs)
    answers: list[Answer[object]] = []
    for work in works:
        try:
            answers.append(work(unit))
        except (errors.StaleWrite, errors.Unavailable):  # of the store: the whole unit is void
            raise
        except errors.ControlPlaneError as refusal:  # raised before it changed anything
            answers.append(partial(same, refusal))
    unit.flush()
    return _Done([answer() for answer in answers], frozenset(unit.topics), unit.must_last)
