"""What both engines do with a call: inputs as messages, a name, a failure for the caller."""

from dataclasses import dataclass

from flyteidl2.task import common_pb2

from flyte import errors
from flyte._context import Call, scope
from flyte._ids import ActionID
from flyte._runtime.sequencer import Sequencer
from flyte._task import MAX_INLINE_IO_BYTES
from flyte._wire import task_spec, values


@dataclass(frozen=True, slots=True)
class NamedCall:
    """A call with its inputs converted and its name given."""

    call: Call
    action: ActionID
    inputs: common_pb2.Inputs


async def name_task(call: Call, sequencer: Sequencer) -> NamedCall:
    """Convert the inputs of a task's call and name it.

    Raises:
        flyte.errors.RuntimeDataValidationError: when an input does not fit its type.
        flyte.errors.InlineIOMaxBytesBreached: when the inputs are larger than the task allows.
    """
    limit: int = getattr(call.callee, "max_inline_io_bytes", MAX_INLINE_IO_BYTES)
    return await _named(call, task_spec.task_hash(call.callee), sequencer, limit=limit)


async def name_trace(call: Call, sequencer: Sequencer) -> NamedCall:
    """Convert the inputs of a traced function's call and name it."""
    return await _named(call, f"trace:{call.callee.name}", sequencer)


async def _named(
    call: Call, callee_hash: str, sequencer: Sequencer, *, limit: int | None = None
) -> NamedCall:
    here = scope()
    context = here.task.custom_context if here else None
    inputs = await values.inputs(
        call.callee.interface, call.arguments, context=context, limit=limit
    )
    action = sequencer.child(callee_hash, values.input_hash(inputs), call.group)
    return NamedCall(call, action, inputs)


def as_seen_by_caller(error: BaseException) -> errors.BaseRuntimeError:
    """An exception of a task as its caller sees it: by code and message, its cause kept.

    The same classes arrive from a control plane, where only code, message and kind travel.
    """
    wire = errors.to_code(error)
    seen = errors.from_code(wire.code, wire.message, wire.kind)
    seen.__cause__ = error
    return seen
