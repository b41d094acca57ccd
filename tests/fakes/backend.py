"""The actions service as a parent task sees it, in memory, in the place of `ControlPlane`.

Children are answered by a function of the test.  What was committed outlives a runtime, as it
outlives an attempt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from flyteidl2.actions.actions_service_pb2 import (
    AbortRequest,
    AbortResponse,
    Action,
    EnqueueRequest,
    EnqueueResponse,
    WatchForUpdatesRequest,
    WatchForUpdatesResponse,
)
from flyteidl2.common import phase_pb2
from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument, ExecutionError
from flyteidl2.task import common_pb2
from flyteidl2.workflow.state_service_pb2 import ActionUpdate

from flyte import errors, storage
from flyte._runtime.carriers import StorageCarrier
from flyte._task import TaskTemplate
from flyte._wire import failures, values
from flyte_protocol.actions.v1.batch_pb2 import EnqueueManyRequest, EnqueueManyResponse

Answer = Callable[[Action], ActionUpdate | None]
"""The end of a child; None: it goes on."""


@dataclass
class Backend:
    """Stands in for `ControlPlane`: it has `actions`, `batches` and `aclose()`."""

    answer: Answer
    enqueued: list[Action] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    updates: dict[str, ActionUpdate] = field(default_factory=dict)
    watches: int = 0
    closed: int = 0
    streams: list[asyncio.Queue[ActionUpdate]] = field(default_factory=list)

    endpoint = "http://fake:1"

    @property
    def actions(self) -> "Backend":
        return self

    @property
    def batches(self) -> "Backend":
        return self

    def connect(self) -> Any:
        return self

    async def aclose(self) -> None:
        self.closed += 1

    async def enqueue(
        self, request: EnqueueRequest, *, timeout_ms: int | None = None
    ) -> EnqueueResponse:
        action = request.action
        if action.action_id.name in self.updates:
            raise errors.UnionRpcError("already_exists", "it is there")
        self.enqueued.append(action)
        update = self._trace(action) if action.HasField("trace") else self.answer(action)
        self.tell(update or ended(action, phase_pb2.ACTION_PHASE_RUNNING))
        return EnqueueResponse()

    async def enqueue_many(
        self, request: EnqueueManyRequest, *, timeout_ms: int | None = None
    ) -> EnqueueManyResponse:
        response = EnqueueManyResponse()
        for body in request.requests:
            outcome = response.outcomes.add()
            try:
                await self.enqueue(EnqueueRequest.FromString(body))
            except errors.UnionRpcError as error:
                outcome.code, outcome.message = error.code, str(error)
        return response

    def tell(self, update: ActionUpdate) -> None:
        """Commit an update and send it."""
        self.updates[update.action_id.name] = update
        for stream in self.streams:
            stream.put_nowait(update)

    async def watch_for_updates(
        self, request: WatchForUpdatesRequest, *, headers: object = None
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        self.watches += 1
        stream: asyncio.Queue[ActionUpdate] = asyncio.Queue()
        self.streams.append(stream)
        for update in list(self.updates.values()):
            yield WatchForUpdatesResponse(action_update=update)
        sentinel = WatchForUpdatesResponse()
        sentinel.control_message.sentinel = True
        yield sentinel
        while True:
            yield WatchForUpdatesResponse(action_update=await stream.get())

    async def abort(self, request: AbortRequest, *, timeout_ms: int | None = None) -> AbortResponse:
        self.aborted.append(request.action_id.name)
        return AbortResponse()

    def _trace(self, action: Action) -> ActionUpdate:
        uri = action.trace.outputs.output_uri
        update = ended(action, action.trace.phase, uri)
        if action.trace.phase == phase_pb2.ACTION_PHASE_FAILED:
            error_uri = storage.join(uri.rpartition("/")[0], "error.pb")
            with open(error_uri, "rb") as file:  # noqa: PTH123
                update.error.CopyFrom(execution_error(ErrorDocument.FromString(file.read())))
        return update


def ended(action: Action, phase: phase_pb2.ActionPhase, uri: str = "") -> ActionUpdate:
    """The update that says so."""
    return ActionUpdate(action_id=action.action_id, phase=phase, output_uri=uri)


def execution_error(document: ErrorDocument) -> ExecutionError:
    """What a control plane makes of an `error.pb`."""
    error = document.error
    return ExecutionError(
        code=error.code, message=error.message, kind=error.origin, recoverability=error.kind
    )


def performing(*tasks: TaskTemplate) -> Answer:
    """Answers that come from running the tasks' functions on what lies in the storage."""
    by_name = {task.name: task for task in tasks}

    def answer(action: Action) -> ActionUpdate:
        task = by_name[action.task.id.name]
        with open(action.input_uri, "rb") as file:  # noqa: PTH123
            inputs = common_pb2.Inputs.FromString(file.read())
        directory = storage.join(action.run_output_base, action.action_id.name, "1")
        return _perform(task, inputs, action, directory)

    return answer


def _perform(task: Any, inputs: common_pb2.Inputs, action: Action, directory: str) -> ActionUpdate:
    async def perform() -> common_pb2.Outputs:
        carrier = StorageCarrier(action.run_output_base)
        arguments = await values.arguments(task.interface, inputs, carrier=carrier)
        returned = await task.execute(**arguments)
        return await values.outputs(task.interface, returned, carrier=carrier)

    try:
        outputs = _stepped(perform())
    except Exception as error:  # noqa: BLE001 - the edge of the task's process
        update = ended(action, phase_pb2.ACTION_PHASE_FAILED, directory)
        update.error.CopyFrom(execution_error(failures.error_document(error)))
        return update
    data = outputs.SerializeToString()
    _stepped(storage.write(storage.join(directory, "outputs.pb"), data))
    return ended(action, phase_pb2.ACTION_PHASE_SUCCEEDED, directory)


def _stepped(coro: Any) -> Any:
    try:
        coro.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the tasks of this backend may not wait")


NON_RECOVERABLE = ContainerError.NON_RECOVERABLE
