"""What a child's last update means to its caller: a value, or an error."""

from collections.abc import Mapping
from typing import Any

from flyteidl2.common import phase_pb2
from flyteidl2.core.execution_pb2 import ErrorDocument
from flyteidl2.task import common_pb2
from flyteidl2.workflow.state_service_pb2 import ActionUpdate

from flyte import errors, storage
from flyte._interface import NativeInterface
from flyte._phases import ActionPhase
from flyte._runtime.actions import ERROR, OUTPUTS
from flyte._runtime.carriers import StorageCarrier
from flyte._wire import failures, statuses, values
from flyte._wire.failing import messages
from flyte.storage import seals

_SUCCEEDED = frozenset({phase_pb2.ACTION_PHASE_SUCCEEDED, phase_pb2.ACTION_PHASE_RECOVERED})


def succeeded(update: ActionUpdate) -> bool:
    """Whether the child has outputs."""
    return update.phase in _SUCCEEDED


async def of_task(
    update: ActionUpdate, interface: NativeInterface, options: Mapping[str, str], *, task: str
) -> Any:
    """The value of a child task, out of the attempt's directory that its update names.

    Args:
        update: the child's last one.
        interface: of its task.
        options: how its store is reached.
        task: the task's name, for whoever fails because of it.

    Raises:
        flyte.errors.BaseRuntimeError: what the child failed with.
    """
    if not succeeded(update):
        error = await failure(update, options)
        messages.from_child(error, update.action_id.name, task)
        raise error
    if not interface.outputs:
        return None
    return await _outputs(storage.join(update.output_uri, OUTPUTS), interface, options)


async def of_trace(
    update: ActionUpdate, interface: NativeInterface, options: Mapping[str, str]
) -> Any:
    """The value of a traced call, out of the file that its update names."""
    return await _outputs(update.output_uri, interface, options) if interface.outputs else None


async def failure(update: ActionUpdate, options: Mapping[str, str]) -> errors.BaseRuntimeError:
    """The error of a child that did not succeed."""
    if update.HasField("error"):
        whole = await _stored_failure(update, options) if _is_cut(update) else None
        return whole or failures.from_execution_error(update.error)
    name = update.action_id.name
    match statuses.phase(update.phase):
        case ActionPhase.ABORTED:
            return errors.ActionAbortedError(f"action {name} was aborted")
        case ActionPhase.TIMED_OUT:
            return errors.TaskTimeoutError(f"action {name} ran out of time")
        case phase:
            return await _stored_failure(update, options) or errors.RuntimeUnknownError(
                "Unknown", f"action {name} {phase}, and nobody said why; look at its logs"
            )


def _is_cut(update: ActionUpdate) -> bool:
    return failures.is_cut(update.error.message)


async def _stored_failure(
    update: ActionUpdate, options: Mapping[str, str]
) -> errors.BaseRuntimeError | None:
    """What the attempt's directory says: a backend may leave the error there only, or tell of it in short."""
    uri = update.output_uri  # of a trace the file itself
    if not uri.endswith(f"/{ERROR}"):
        uri = storage.join(uri, ERROR)
    if not update.output_uri or not await storage.exists(uri, settings=options):
        return None
    document = ErrorDocument.FromString(await storage.read(uri, settings=options))
    return failures.from_error_document(document)


async def _outputs(uri: str, interface: NativeInterface, options: Mapping[str, str]) -> Any:
    content = seals.opened(await storage.read(uri, settings=options), uri)
    outputs = common_pb2.Outputs.FromString(content)
    return await values.returned(interface, outputs, carrier=StorageCarrier("", options))
