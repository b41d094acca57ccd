"""One action's connection to the control plane: client, informer and submitter."""

import asyncio
import itertools
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from flyteidl2.actions.actions_service_pb2 import (
    AbortRequest,
    Action,
    EnqueueRequest,
    EnqueueResponse,
    WatchForUpdatesRequest,
)
from flyteidl2.workflow.state_service_pb2 import ActionUpdate

from flyte import errors
from flyte._client import ControlPlane
from flyte._ids import ActionID
from flyte._kit.absence import Absence
from flyte._kit.backoff import Backoff
from flyte._runtime import writing
from flyte._runtime.batching import Batching
from flyte._runtime.informer import Informer
from flyte._runtime.submitter import Submitter
from flyte._wire import ids
from flyte_protocol.actions.v1.batch_pb2 import EnqueueManyRequest, EnqueueManyResponse

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ANSWER_MS = 10_000
"""How long one answer is waited for: a control plane that was stopped accepts connections and says nothing."""
_ABORT_PAUSES = Backoff(base=0.2, factor=2, cap=5, jitter=0.3)
_ONLY_ENDS = {"x-flyte-updates": "ends"}
"""Our own control plane then leaves out, after the snapshot, what a parent does not need to know; others ignore it."""
_CLOSE_SECONDS = 5.0
"""What the end of a task allows for what is still to be said."""


class Connection:
    """What a parent needs of the control plane.  Made, used and closed on one event loop.

    A control plane that is away, whether it refuses connections or is silent, is waited for: every
    question is asked again until it is answered, for a day, with a line in the log every minute.

    The clients of `ControlPlane` are the seam for tests: any object with `actions` and `aclose()`
    will do.
    """

    def __init__(
        self, plane: ControlPlane, parent: ActionID, storage_options: Mapping[str, str]
    ) -> None:
        self._plane = plane
        self._storage_options = storage_options
        self._absence = Absence(f"the control plane at {plane.endpoint}", say=logger.warning)
        batching = Batching(self._enqueue, self._enqueue_many)
        self._submitter = Submitter(batching.enqueue, absence=self._absence)
        watch = WatchForUpdatesRequest(parent_action_id=ids.action(parent))
        self._informer = Informer(
            lambda: plane.actions.watch_for_updates(watch, headers=_ONLY_ENDS), self._absence
        )
        self._running: set[asyncio.Task[Any]] = set()
        self._aborting: set[asyncio.Task[None]] = set()

    async def known(self, name: str) -> ActionUpdate | None:
        """What the control plane knows of a child, once it has told everything."""
        await self._informer.ready()
        return self._informer.known(name)

    @property
    def is_ready(self) -> bool:
        """Whether `known` would not wait; then `known_now` gives its answer, in any thread."""
        return self._informer.is_ready

    def known_now(self, name: str) -> ActionUpdate | None:
        """What `known` says, without waiting."""
        return self._informer.known(name)

    @property
    def is_aborting(self) -> bool:
        """Whether the control plane is still to be told that a child is not wanted any more."""
        return bool(self._aborting)

    async def submit(self, action: Action) -> None:
        """Hand over an action; returns when the control plane has it."""
        await self._submitter.submit(EnqueueRequest(action=action))

    async def run(self, action: Action, inputs: bytes) -> ActionUpdate:
        """Submit a child unless it is known already, and wait for its end.

        When the waiting is cancelled the child is aborted.
        """
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        self._running.add(task)
        try:
            if await self.known(action.action_id.name) is None:
                await writing.write(action.input_uri, inputs, settings=self._storage_options)
                await self._asked(self.submit(action), action)
            return await self._asked(self._informer.terminal(action.action_id.name), action)
        finally:
            self._running.discard(task)

    async def end_of(self, name: str) -> ActionUpdate:
        """Wait for the end of a condition; when the waiting is cancelled the condition goes on."""
        return await self._informer.terminal(name)

    def cancel(self) -> None:
        """Cancel the calls that are under way; their children are aborted."""
        for running in self._running:
            running.cancel()

    async def aclose(self) -> None:
        """End the calls that nobody waits for any more, and close everything."""
        self.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_CLOSE_SECONDS)
        if self._aborting:
            _, unheard = await asyncio.wait(self._aborting, timeout=_CLOSE_SECONDS)
            for aborting in unheard:
                aborting.cancel()
        await self._informer.aclose()
        await self._plane.aclose()

    async def _asked(self, step: Coroutine[Any, Any, T], action: Action) -> T:
        """A step of a child that the control plane may know by now: its cancellation aborts it."""
        try:
            return await step
        except asyncio.CancelledError:
            aborting = asyncio.create_task(self._abort(action))
            self._aborting.add(aborting)
            aborting.add_done_callback(self._aborting.discard)
            raise

    async def _enqueue(self, request: EnqueueRequest) -> EnqueueResponse:
        return await self._plane.actions.enqueue(request, timeout_ms=_ANSWER_MS)

    async def _enqueue_many(self, request: EnqueueManyRequest) -> EnqueueManyResponse:
        return await self._plane.batches.enqueue_many(request, timeout_ms=_ANSWER_MS)

    async def _abort(self, action: Action) -> None:
        """Tell the control plane that a child is not wanted any more, as soon as it listens."""
        try:
            await self._heard(
                AbortRequest(
                    action_id=action.action_id, reason="the call was cancelled in the parent task"
                )
            )
        except (errors.BaseRuntimeError, asyncio.CancelledError) as error:
            logger.warning(
                "child %s could not be aborted (%s); it ends with the run",
                action.action_id.name,
                error or "the parent task ends",
            )

    async def _heard(self, request: AbortRequest) -> None:
        for pause in map(_ABORT_PAUSES.delay, itertools.count()):
            try:
                await self._plane.actions.abort(request, timeout_ms=_ANSWER_MS)
            except errors.UnionRpcError as error:
                if error.is_final:
                    raise
                self._absence.missed(error)
            else:
                return
            await asyncio.sleep(pause)
