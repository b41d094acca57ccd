"""ActionsService: how a running parent asks for children and learns what becomes of them.

Also here: QueueService and StateService, the same under older names, which the official SDK uses if
`_U_USE_ACTIONS` is not set.
"""

import functools
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Generic, TypeVar

from connectrpc.request import RequestContext
from flyteidl2.actions import actions_service_connect, actions_service_pb2
from flyteidl2.common import identifier_pb2
from flyteidl2.workflow import (
    queue_service_connect,
    queue_service_pb2,
    state_service_connect,
    state_service_pb2,
)

from flyte_server.domain.records import Action
from flyte_server.engine.bus import Topic, run_topic
from flyte_server.engine.engine import Engine
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.intake import Intake
from flyte_server.services.watching import HEARTBEAT_SECONDS, Watching
from flyte_server.services.wire import actions as wire_actions
from flyte_server.services.wire import ids
from flyte_server.store import actions as rows
from flyte_server.store.database import Database

M = TypeVar("M")
Context = RequestContext[Any, Any]

ABORT_REASON = "stopped by its parent"


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
    ) -> None:
        self._database = database
        self._facts = facts
        self._parent = parent
        self._update = update
        self._cursor = 0
        self._known: set[str] = set()
        self._is_first = True
        self.heartbeat = sentinel
        self.topic: Topic = run_topic(facts.run.id)

    @property
    def rest_seconds(self) -> float:
        """Two children are told of at once; changes of fifty and more are gathered for 10 ms."""
        return min(0.01, 0.0002 * len(self._known))

    async def look(self) -> Iterable[M]:
        changed = await self._database.read(
            rows.children_since, self._facts.run.id, self._parent, self._cursor
        )
        self._cursor = max((action.seq for action in changed), default=self._cursor)
        self._known.update(action.name for action in changed)
        messages = (self._update(action) for action in changed)
        if not self._is_first:
            return messages
        self._is_first = False
        return itertools.chain(messages, (self.heartbeat(),))


class ChildWatch:
    """Opens `ChildUpdates` for either service."""

    def __init__(self, database: Database, directory: Directory, watching: Watching) -> None:
        self._database = database
        self._directory = directory
        self._watching = watching

    def follow(
        self,
        parent: identifier_pb2.ActionIdentifier,
        update: Callable[[Any, Action], M],
        sentinel: Callable[[], M],
    ) -> AsyncIterator[M]:
        """The stream of a parent's children."""
        return self._watching.follow(functools.partial(self._open, parent, update, sentinel))

    async def _open(
        self,
        parent: identifier_pb2.ActionIdentifier,
        update: Callable[[Any, Action], M],
        sentinel: Callable[[], M],
    ) -> ChildUpdates[M]:
        name = ids.action(parent)
        facts = await self._directory.by_name(name.run)
        return ChildUpdates(
            self._database,
            facts,
            name.name,
            update=functools.partial(update, facts.run),
            sentinel=sentinel,
        )


class ActionsService(actions_service_connect.ActionsService):
    """Enqueue, watch, abort."""

    def __init__(
        self, engine: Engine, directory: Directory, intake: Intake, children: ChildWatch
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._intake = intake
        self._children = children

    async def enqueue(
        self, request: actions_service_pb2.EnqueueRequest, ctx: Context
    ) -> actions_service_pb2.EnqueueResponse:
        await self._intake.take(request.action)
        return actions_service_pb2.EnqueueResponse()

    def watch_for_updates(
        self, request: actions_service_pb2.WatchForUpdatesRequest, ctx: Context
    ) -> AsyncIterator[actions_service_pb2.WatchForUpdatesResponse]:
        return self._children.follow(
            request.parent_action_id, wire_actions.child_update, wire_actions.sentinel
        )

    async def abort(
        self, request: actions_service_pb2.AbortRequest, ctx: Context
    ) -> actions_service_pb2.AbortResponse:
        key = await self._directory.key(ids.action(request.action_id))
        await self._engine.abort_action(key, request.reason or ABORT_REASON)
        return actions_service_pb2.AbortResponse()


class QueueService(queue_service_connect.QueueService):
    """The older name of enqueue and abort."""

    def __init__(self, engine: Engine, directory: Directory, intake: Intake) -> None:
        self._engine = engine
        self._directory = directory
        self._intake = intake

    async def enqueue_action(
        self, request: queue_service_pb2.EnqueueActionRequest, ctx: Context
    ) -> queue_service_pb2.EnqueueActionResponse:
        await self._intake.take(_as_action(request))
        return queue_service_pb2.EnqueueActionResponse()

    async def abort_queued_action(
        self, request: queue_service_pb2.AbortQueuedActionRequest, ctx: Context
    ) -> queue_service_pb2.AbortQueuedActionResponse:
        key = await self._directory.key(ids.action(request.action_id))
        await self._engine.abort_action(key, request.reason or ABORT_REASON)
        return queue_service_pb2.AbortQueuedActionResponse()

    async def abort_queued_run(
        self, request: queue_service_pb2.AbortQueuedRunRequest, ctx: Context
    ) -> queue_service_pb2.AbortQueuedRunResponse:
        facts = await self._directory.by_name(ids.run(request.run_id))
        await self._engine.abort_run(facts.run.id, request.reason or ABORT_REASON)
        return queue_service_pb2.AbortQueuedRunResponse()


class StateService(state_service_connect.StateService):
    """The older name of the watch."""

    def __init__(self, children: ChildWatch) -> None:
        self._children = children

    def watch(
        self, request: state_service_pb2.WatchRequest, ctx: Context
    ) -> AsyncIterator[state_service_pb2.WatchResponse]:
        return self._children.follow(
            request.parent_action_id, wire_actions.state_update, wire_actions.state_sentinel
        )


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
