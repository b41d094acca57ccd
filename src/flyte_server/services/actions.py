"""ActionsService: how a running parent asks for children and learns what becomes of them.

Also here: BatchService, our own request for many actions at once; QueueService and StateService, the same
under older names, which the official SDK uses if `_U_USE_ACTIONS` is not set.
"""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Generic, TypeVar

from connectrpc.request import Headers, RequestContext
from flyteidl2.actions import actions_service_connect, actions_service_pb2
from flyteidl2.common import identifier_pb2
from flyteidl2.workflow import (
    queue_service_connect,
    queue_service_pb2,
    state_service_connect,
    state_service_pb2,
)
from google.protobuf.message import DecodeError

from flyte_protocol.actions.v1 import batch_connect, batch_pb2
from flyte_server.domain import fencing
from flyte_server.domain.errors import AttemptOver, Invalid
from flyte_server.domain.records import Action, AttemptKey
from flyte_server.engine.bus import Topic, ends_topic, run_topic
from flyte_server.engine.engine import Engine
from flyte_server.services.access import callers
from flyte_server.services.conditions.answering import CHANNEL_HEADER, Answering, channel_of
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.faults import connect_error
from flyte_server.services.fencing import Fence
from flyte_server.services.intake import Intake
from flyte_server.services.watching import HEARTBEAT_SECONDS, Watching
from flyte_server.services.wire import actions as wire_actions
from flyte_server.services.wire import conditions, ids
from flyte_server.store import actions as rows
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

M = TypeVar("M")
Context = RequestContext[Any, Any]

_FEW = 2
WISH, ENDS = "x-flyte-updates", "ends"
"""Our own SDK wants to know, after the snapshot, of nothing but ends: four times fewer messages."""
ABORT_REASON = "the call was cancelled in the parent task"
_BY_PARENT = "aborted by its parent: "


class ChildUpdates(Generic[M]):
    """All children of one action: the whole snapshot, a sentinel, then every change.

    A parent that was started again waits for the sentinel only a few seconds and then takes
    everything that it was not told for new; so nothing is ever left out and nothing else comes in
    between.
    """

    pause_seconds = HEARTBEAT_SECONDS
    over = False

    def __init__(
        self,
        database: Database,
        facts: RunFacts,
        parent: str,
        *,
        update: Callable[[Action], M],
        sentinel: Callable[[], M],
        caller: AttemptKey | None = None,
        only_ends: bool = False,
    ) -> None:
        self._database = database
        self._facts = facts
        self._parent = parent
        self._update = update
        self._caller = caller
        self._only_ends = only_ends
        self._cursor = 0
        self._told = 0
        """How many changes the last look has found."""
        self._is_first = True
        self.heartbeat = sentinel
        self.topic: Topic = ends_topic(facts.run.id) if only_ends else run_topic(facts.run.id)

    @property
    def rest_seconds(self) -> float:
        """Changes that come one by one are told one by one, a step waits for each; many are gathered for 10 ms."""
        return 0.01 if self._told > _FEW else 0.0

    async def look(self) -> Iterable[M]:
        changed, self._cursor = await self._database.read(self._changed)
        self._told = len(changed)
        messages = (self._update(action) for action in changed)
        if not self._is_first:
            return messages
        self._is_first = False
        return itertools.chain(messages, (self.heartbeat(),))

    def _changed(self, connection: Connection) -> tuple[list[Action], int]:
        """What is new, and how far that is; refused to an attempt whose place another one has taken meanwhile."""
        if self._caller is not None:
            caller = rows.load(connection, self._caller.run_id, self._caller.action)
            fencing.check(caller, self._caller)
        asked = (connection, self._facts.run.id, self._parent, self._cursor)
        if self._only_ends and not self._is_first:
            return rows.ended_children_since(*asked)
        changed = rows.children_since(*asked)
        return changed, max((action.seq for action in changed), default=self._cursor)


class ChildWatch:
    """Opens `ChildUpdates` for either service."""

    def __init__(
        self, database: Database, directory: Directory, watching: Watching, fence: Fence
    ) -> None:
        self._database = database
        self._directory = directory
        self._watching = watching
        self._fence = fence

    def follow(
        self,
        parent: identifier_pb2.ActionIdentifier,
        headers: Headers,
        *,
        update: Callable[[Any, Action], M],
        sentinel: Callable[[], M],
    ) -> AsyncIterator[M]:
        """The stream of a parent's children."""
        opened = functools.partial(self._open, parent, headers, update=update, sentinel=sentinel)
        return self._watching.follow(opened)

    async def _open(
        self,
        parent: identifier_pb2.ActionIdentifier,
        headers: Headers,
        *,
        update: Callable[[Any, Action], M],
        sentinel: Callable[[], M],
    ) -> ChildUpdates[M]:
        name = ids.action(parent)
        facts, _ = await self._directory.action(name)
        return ChildUpdates(
            self._database,
            facts,
            name.name,
            update=functools.partial(update, facts.run),
            sentinel=sentinel,
            caller=await self._fence.caller(headers),
            only_ends=headers.get(WISH) == ENDS,
        )


class ActionsService(actions_service_connect.ActionsService):
    """Enqueue, watch, abort."""

    def __init__(
        self,
        engine: Engine,
        directory: Directory,
        intake: Intake,
        *,
        children: ChildWatch,
        fence: Fence,
        answering: Answering,
    ) -> None:
        self._answering = answering
        self._engine = engine
        self._directory = directory
        self._intake = intake
        self._children = children
        self._fence = fence

    async def enqueue(
        self, request: actions_service_pb2.EnqueueRequest, ctx: Context
    ) -> actions_service_pb2.EnqueueResponse:
        caller = await self._fence.caller(ctx.request_headers())
        await self._intake.take(request.action, caller)
        return actions_service_pb2.EnqueueResponse()

    def watch_for_updates(
        self, request: actions_service_pb2.WatchForUpdatesRequest, ctx: Context
    ) -> AsyncIterator[actions_service_pb2.WatchForUpdatesResponse]:
        return self._children.follow(
            request.parent_action_id,
            ctx.request_headers(),
            update=wire_actions.child_update,
            sentinel=wire_actions.sentinel,
        )

    async def abort(
        self, request: actions_service_pb2.AbortRequest, ctx: Context
    ) -> actions_service_pb2.AbortResponse:
        caller = await self._fence.caller(ctx.request_headers())
        key = await self._directory.key(ids.action(request.action_id))
        await self._engine.abort_action(key, _by_parent(request.reason), caller=caller)
        return actions_service_pb2.AbortResponse()

    async def signal(
        self, request: actions_service_pb2.SignalRequest, ctx: Context
    ) -> actions_service_pb2.SignalResponse:
        headers = ctx.request_headers()
        await self._answering.answer(
            ids.action(request.action_id),
            conditions.of_literal(request.value),
            caller=callers.of(headers),
            channel=channel_of(headers.get(CHANNEL_HEADER)),
            parent=request.parent_action_name,
            attempt=await self._fence.caller(headers),
        )
        return actions_service_pb2.SignalResponse()


class BatchService(batch_connect.BatchService):
    """Enqueue, for many actions of one parent: one request, and one transaction."""

    def __init__(self, intake: Intake, fence: Fence) -> None:
        self._intake = intake
        self._fence = fence

    async def enqueue_many(
        self, request: batch_pb2.EnqueueManyRequest, ctx: Context
    ) -> batch_pb2.EnqueueManyResponse:
        caller = await self._fence.caller(ctx.request_headers())
        messages = [_decoded(body, number) for number, body in enumerate(request.requests)]
        taken = await asyncio.gather(
            *(self._intake.take(message, caller) for message in messages), return_exceptions=True
        )
        for each in taken:
            if isinstance(each, AttemptOver):
                raise each  # the same for all of them, and the caller must hear it as such
        return batch_pb2.EnqueueManyResponse(outcomes=[_outcome(each) for each in taken])


def _decoded(body: bytes, number: int) -> actions_service_pb2.Action:
    try:
        return actions_service_pb2.EnqueueRequest.FromString(body).action
    except DecodeError as error:
        raise Invalid(
            f"requests[{number}] is no EnqueueRequest ({error}); nothing was enqueued."
        ) from None


class QueueService(queue_service_connect.QueueService):
    """The older name of enqueue and abort."""

    def __init__(
        self, engine: Engine, directory: Directory, intake: Intake, *, fence: Fence
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._intake = intake
        self._fence = fence

    async def enqueue_action(
        self, request: queue_service_pb2.EnqueueActionRequest, ctx: Context
    ) -> queue_service_pb2.EnqueueActionResponse:
        caller = await self._fence.caller(ctx.request_headers())
        await self._intake.take(_as_action(request), caller)
        return queue_service_pb2.EnqueueActionResponse()

    async def abort_queued_action(
        self, request: queue_service_pb2.AbortQueuedActionRequest, ctx: Context
    ) -> queue_service_pb2.AbortQueuedActionResponse:
        caller = await self._fence.caller(ctx.request_headers())
        key = await self._directory.key(ids.action(request.action_id))
        await self._engine.abort_action(key, _by_parent(request.reason), caller=caller)
        return queue_service_pb2.AbortQueuedActionResponse()

    async def abort_queued_run(
        self, request: queue_service_pb2.AbortQueuedRunRequest, ctx: Context
    ) -> queue_service_pb2.AbortQueuedRunResponse:
        caller = await self._fence.caller(ctx.request_headers())
        facts = await self._directory.by_name(ids.run(request.run_id))
        await self._engine.abort_run(facts.run.id, _by_parent(request.reason), caller=caller)
        return queue_service_pb2.AbortQueuedRunResponse()


class StateService(state_service_connect.StateService):
    """The older name of the watch."""

    def __init__(self, children: ChildWatch) -> None:
        self._children = children

    def watch(
        self, request: state_service_pb2.WatchRequest, ctx: Context
    ) -> AsyncIterator[state_service_pb2.WatchResponse]:
        return self._children.follow(
            request.parent_action_id,
            ctx.request_headers(),
            update=wire_actions.state_update,
            sentinel=wire_actions.state_sentinel,
        )


def _by_parent(reason: str) -> str:
    return _BY_PARENT + (reason or ABORT_REASON)


def _as_action(request: queue_service_pb2.EnqueueActionRequest) -> actions_service_pb2.Action:
    message = actions_service_pb2.Action(
        action_id=request.action_id,
        parent_action_name=request.parent_action_name,
        input_uri=request.input_uri,
        run_output_base=request.run_output_base,
        group=request.group,
        subject=request.subject,
    )
    spec = request.WhichOneof("spec")
    if spec is not None:
        getattr(message, spec).CopyFrom(getattr(request, spec))
    return message


def _outcome(taken: BaseException | None) -> batch_pb2.Outcome:
    if taken is None:
        return batch_pb2.Outcome()
    if not isinstance(taken, Exception):
        raise taken
    error = connect_error(taken, where="BatchService.EnqueueMany")
    return batch_pb2.Outcome(code=error.code.value, message=error.message)
