"""What both engines do with a call: inputs as messages, a name, a failure for the caller."""

from collections.abc import Collection
from dataclasses import dataclass

from flyteidl2.task import common_pb2

from flyte import errors
from flyte._context import Call, scope
from flyte._ids import ActionID
from flyte._kit import masking
from flyte._runtime.sequencer import Sequencer
from flyte._task import MAX_INLINE_IO_BYTES
from flyte._wire import identities, task_spec, values
from flyte._wire.carriers import Carrier
from flyte._wire.deployed.reference import Reference
from flyte._wire.failing import codes


@dataclass(frozen=True, slots=True)
class NamedCall:
    """A call with its inputs converted and its name given."""

    call: Call
    action: ActionID
    inputs: common_pb2.Inputs


async def name_task(
    call: Call, sequencer: Sequencer, *, carrier: Carrier | None = None
) -> NamedCall:
    """Convert the inputs of a task's call and name it; the carrier keeps the large ones.

    Raises:
        flyte.errors.RuntimeDataValidationError: when an input does not fit its type.
        flyte.errors.InlineIOMaxBytesBreached: when the inputs are larger than the task allows.
    """
    limit: int = getattr(call.callee, "max_inline_io_bytes", MAX_INLINE_IO_BYTES)
    inputs = await _inputs(call, limit, carrier)
    if isinstance(call.callee, Reference):
        inputs = call.callee.completed(inputs)
    return _named(call, task_spec.task_hash(call.callee), inputs, sequencer)


async def name_trace(
    call: Call, sequencer: Sequencer, *, carrier: Carrier | None = None
) -> NamedCall:
    """Convert the inputs of a traced function's call and name it; the carrier keeps the large ones."""
    inputs = await _inputs(call, None, carrier)
    return _named(call, f"trace:{call.callee.name}", inputs, sequencer)


async def _inputs(call: Call, limit: int | None, carrier: Carrier | None) -> common_pb2.Inputs:
    here = scope()
    context = here.task.custom_context if here else None
    return await values.inputs(
        call.callee.interface, call.arguments, context=context, limit=limit, carrier=carrier
    )


def _named(
    call: Call, callee_hash: str, inputs: common_pb2.Inputs, sequencer: Sequencer
) -> NamedCall:
    action = sequencer.child(callee_hash, identities.input_hash(inputs), call.group)
    return NamedCall(call, action, inputs)


def as_seen_by_caller(
    error: BaseException, hidden: Collection[str] = ()
) -> errors.BaseRuntimeError:
    """An exception of a task as its caller sees it: by code and message, its cause kept.

    The same classes arrive from a control plane, where only code, message and kind travel.  The message has none of
    the `hidden` values; the cause is the caller's own.
    """
    wire = codes.to_code(error)
    seen = codes.from_code(wire.code, masking.masked(wire.message, hidden), wire.kind)
    seen.__cause__ = error
    return seen
