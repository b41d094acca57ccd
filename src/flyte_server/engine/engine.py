"""The one writer of runs and actions.

Whoever learns or wants something calls a method and gets the answer after the commit.  What arrives
while a transaction is on its way to the disk goes into the next one, all of it: one sync for many
callers.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from flyte_server.clock import Clock
from flyte_server.domain import errors, ids, transitions
from flyte_server.domain.capacity import ROOT_PATIENCE_US, Capacity
from flyte_server.domain.commands import NewAction, NewRun, NewTrace
from flyte_server.domain.events import (
    AbortRequested,
    Claimed,
    Event,
    FoundInCache,
    TimedOut,
    TurnCame,
)
from flyte_server.domain.records import Action, ActionKey, Run
from flyte_server.engine import caching, intake
from flyte_server.engine.bus import Bus, Topic
from flyte_server.engine.ports import Outputs
from flyte_server.engine.unit import Unit
from flyte_server.store import actions
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

T = TypeVar("T")
Answer = Callable[[], T]
"""Made inside the transaction, called after everything in it was written."""
Work = Callable[[Unit], Answer[Any]]

_LARGEST_BATCH = 512
"""So that one caller never waits for thousands."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the scheduler gets."""

    actions: list[Action]
    """Each with a new attempt; to be launched."""
    next_due_at: int | None
    """When the next action that waits for a moment becomes due."""


@dataclass(frozen=True, slots=True)
class _Item:
    work: Work
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Done:
    """What a transaction gave."""

    results: list[object]
    """One for each piece of work: its answer, or why it was refused."""
    topics: set[Topic]
    must_last: bool


class _TrustedOutputs:
    """Implements `Outputs` where nobody can look: what was written is there."""

    def problem(self, output_uri: str, count: int | None) -> str | None:
        return None


class Engine:
    """Takes work in and moves actions, one transaction after the other.

    Needs no start: a committer task runs while there is work.

    Example:
        engine = Engine(database, Bus(), clock=RealClock())
        run, root = await engine.create_run(command)
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        *,
        outputs: Outputs | None = None,
        plane: str | None = None,
        new_token: Callable[[], str] = ids.random_token,
        new_run_name: Callable[[], str] = ids.random_run_name,
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._outputs = outputs or _TrustedOutputs()
        self.plane = plane or ids.random_plane()
        """Who claims: the worker of attempts that no host has yet."""
        self._new_token = new_token
        self._new_run_name = new_run_name
        self._waiting: list[_Item] = []
        self._committer: asyncio.Task[None] | None = None
        self._closed = False

    async def create_run(self, command: NewRun) -> tuple[Run, Action]:
        """Take a new run in.

        Returns:
            The run and its root action: queued, or succeeded when the cache has its outputs.

        Raises:
            errors.AlreadyExists: when the project and domain have a run of that name.
            errors.Invalid: when the root action is not one.
        """
        return await self._do(partial(_create_run, command=command, new_name=self._new_run_name))

    async def enqueue(self, run_id: int, command: NewAction) -> bool:
        """Take a child in; False when an action of that name exists (a parent that replays asks
        again).

        Raises:
            errors.NotFound: when there is no such run or parent.
            errors.Aborted: when the parent or the run has ended or is being stopped.
        """
        return await self._do(partial(_enqueue, run_id=run_id, command=command))

    async def record_trace(self, run_id: int, command: NewTrace) -> bool:
        """Record a traced call; False when an action of that name exists.

        Raises:
            errors.NotFound: when there is no such run or parent.
            errors.Invalid: when the trace has not ended.
            errors.Aborted: when the parent has ended.
        """
        return await self._do(partial(_record_trace, run_id=run_id, command=command))

    async def apply(self, event: Event) -> Action | None:
        """Tell what happened.  A late or foreign report changes nothing, which is no error.

        Returns:
            The action afterwards; None when there is no such action.
        """
        return await self._do(partial(_apply, event=event))

    async def abort_run(self, run_id: int, reason: str) -> None:
        """Abort every action of a run; after the answer nothing of it starts any more.

        Raises:
            errors.NotFound: when there is no such run.
        """
        await self.abort_action(ActionKey(run_id, ids.ROOT_ACTION), reason)

    async def abort_action(self, key: ActionKey, reason: str) -> None:
        """Abort an action and all that it called; after the answer nothing of it starts any more.

        Processes that run are killed by the reconciler; their actions are `ABORTED` when they are
        gone.

        Raises:
            errors.NotFound: when there is no such action.
        """
        await self._do(partial(_abort, key=key, reason=reason))

    async def abort_children(self, key: ActionKey, reason: str) -> None:
        """Abort all that an action called, but not the action.

        Raises:
            errors.NotFound: when there is no such action.
        """
        await self._do(partial(_abort, key=key, reason=reason, spare=key))

    async def claim(self, capacity: Capacity) -> Claims:
        """Start new attempts for the actions that are due, as many as have a free slot."""
        return await self._do(
            partial(_claim, capacity=capacity, plane=self.plane, new_token=self._new_token)
        )

    async def close(self) -> None:
        """Finish what was accepted and refuse what comes later."""
        self._closed = True
        if self._committer is not None:
            await self._committer

    async def _do(self, work: Callable[[Unit], Answer[T]]) -> T:
        if self._closed:
            raise errors.Unavailable("the control plane is stopping; ask again in a moment")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Item(work, answer))
        if self._committer is None:
            self._committer = loop.create_task(self._commit_all(), name="engine-committer")
        return await answer

    async def _commit_all(self) -> None:
        try:
            await asyncio.sleep(0)  # let everybody who is ready now into the first batch
            while self._waiting:
                batch = self._waiting[:_LARGEST_BATCH]
                del self._waiting[:_LARGEST_BATCH]
                await self._commit(batch)
        finally:
            self._committer = None

    async def _commit(self, batch: list[_Item]) -> None:
        works = [item.work for item in batch]
        try:
            done = await self._database.write(_transact, works, self._clock.now_us(), self._outputs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one caller
            await self._commit_apart(batch, error)
            return
        self._bus.wake(*done.topics)
        if done.must_last and not await self._reached_disk():
            refusal = errors.Unavailable(
                "the disk refused to keep the change (server.log says why); look what became of it before asking again"
            )
            done = replace(done, results=[refusal] * len(batch))
        for item, result in zip(batch, done.results, strict=True):
            _answer(item, result)

    async def _reached_disk(self) -> bool:
        try:
            await self._database.sync()
        except OSError as error:
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


def _answer(item: _Item, result: object) -> None:
    if item.answer.done():
        return
    if isinstance(result, Exception):
        item.answer.set_exception(result)
    else:
        item.answer.set_result(result)


def _transact(connection: Connection, works: list[Work], now_us: int, outputs: Outputs) -> _Done:
    unit = Unit(connection, now_us, outputs)
    answers: list[Answer[object]] = []
    for work in works:
        try:
            answers.append(work(unit))
        except errors.ControlPlaneError as refusal:  # raised before it changed anything
            answers.append(partial(_same, refusal))
    unit.flush()
    return _Done([answer() for answer in answers], unit.topics, unit.must_last)


def _same(value: T) -> T:
    return value


def _create_run(
    unit: Unit, *, command: NewRun, new_name: Callable[[], str]
) -> Answer[tuple[Run, Action]]:
    key = intake.take_run(unit, command, new_name)
    return lambda: (unit.current_run(key.run_id), unit.current(key))


def _enqueue(unit: Unit, *, run_id: int, command: NewAction) -> Answer[bool]:
    return partial(_same, intake.take_action(unit, run_id, command))


def _record_trace(unit: Unit, *, run_id: int, command: NewTrace) -> Answer[bool]:
    return partial(_same, intake.take_trace(unit, run_id, command))


def _apply(unit: Unit, *, event: Event) -> Answer[Action | None]:
    key = _key(event)
    action = unit.action(key)
    if action is None:
        _logger.warning("%s names an action that does not exist: %s", type(event).__name__, key)
        return partial(_same, None)
    if isinstance(event, AbortRequested):
        return _abort(unit, key=key, reason=event.reason)
    _move(unit, action, event)
    return partial(unit.action, key)


def _abort(
    unit: Unit, *, key: ActionKey, reason: str, spare: ActionKey | None = None
) -> Answer[Action | None]:
    if unit.action(key) is None:
        raise errors.NotFound(f"run {key.run_id} has no action {key.name} that could be aborted")
    unit.flush()
    for action in unit.adopt(actions.open_tree(unit.connection, key)):
        if action.key != spare:
            _move(unit, action, AbortRequested(action.key, reason))
    return partial(unit.action, key)


def _claim(
    unit: Unit, *, capacity: Capacity, plane: str, new_token: Callable[[], str]
) -> Answer[Claims]:
    unit.flush()
    now = unit.now_us
    busy, is_waiting = actions.occupancy(unit.connection)
    more = is_waiting and _give_turns(unit)
    free = capacity.free(busy)
    due = actions.due(unit.connection, now_us=now, root_patience_us=ROOT_PATIENCE_US, limit=free)
    for action in unit.adopt(due):
        _move(unit, action, Claimed(action.key, new_token(), plane))
    next_due_at = now if more else actions.next_due_at(unit.connection, now)
    keys = [action.key for action in due]
    return lambda: Claims([unit.current(key) for key in keys], next_due_at)


def _give_turns(unit: Unit) -> bool:
    """Move actions that waited for an equal one; tells whether there are more of them."""
    events, more = caching.turns(unit)
    for event in events:
        _move(unit, unit.current(event.key), event)
    unit.flush()
    return more


def _move(unit: Unit, action: Action, event: Event) -> None:
    decision = transitions.decide(action, event, unit.now_us)
    if decision.ignored is not None:
        _logger.debug("%s ignored: %s", type(event).__name__, decision.ignored)
        return
    unit.put(decision.action)
    if decision.attempt is not None:
        unit.put_attempt(decision.attempt)
    if decision.publish is not None:
        unit.publish(decision.publish)


def _key(event: Event) -> ActionKey:
    if isinstance(event, Claimed | AbortRequested | TimedOut | TurnCame | FoundInCache):
        return event.key
    return ActionKey(event.attempt.run_id, event.attempt.action)
