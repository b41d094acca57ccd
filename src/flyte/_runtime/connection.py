"""One action's connection to the control plane: client, informer and submitter."""

import asyncio
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

from flyte import errors, storage
from flyte._client import ControlPlane
from flyte._ids import ActionID
from flyte._runtime.informer import Informer
from flyte._runtime.submitter import Submitter
from flyte._wire import ids

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ENQUEUE_TIMEOUT_MS = 5_000
_ABORT_SECONDS = 5.0


class Connection:
    """What a parent needs of the control plane.  Made, used and closed on one event loop.

    The clients of `ControlPlane` are the seam for tests: any object with `actions` and `aclose()`
    will do.
    """

    def __init__(
        self, plane: ControlPlane, parent: ActionID, storage_options: Mapping[str, str]
    ) -> None:
        self._plane = plane
        self._storage_options = storage_options
        self._submitter = Submitter(self._enqueue)
        watch = WatchForUpdatesRequest(parent_action_id=ids.action(parent))
        self._informer = Informer(lambda: plane.actions.watch_for_updates(watch))
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
                await storage.write(action.input_uri, inputs, settings=self._storage_options)
                await self._asked(self.submit(action), action)
            return await self._asked(self._informer.terminal(action.action_id.name), action)
        finally:
            self._running.discard(task)

    async def aclose(self) -> None:
        """End the calls that nobody waits for any more, and close everything."""
        for running in self._running:
            running.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_ABORT_SECONDS)
        if self._aborting:
            await asyncio.wait(self._aborting)
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
        return await self._plane.actions.enqueue(request, timeout_ms=_ENQUEUE_TIMEOUT_MS)

    async def _abort(self, action: Action) -> None:
        request = AbortRequest(
            action_id=action.action_id, reason="the call was cancelled in the parent task"
        )
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                await self._plane.actions.abort(request)
        except (errors.BaseRuntimeError, TimeoutError) as error:
            logger.warning(
                "child %s could not be aborted (%s); it ends with the run",
                action.action_id.name,
                error,
            )
