"""What lies between the caller of a task and the task in a local run: memory, or files as between processes."""

from collections.abc import Collection
from typing import Any, Protocol, TypeVar

from flyteidl2.task import common_pb2
from google.protobuf.message import Message

from flyte import errors, storage
from flyte._context import Outcome, TaskContext
from flyte._runtime import actions, calls
from flyte._runtime.carriers import StorageCarrier
from flyte._wire import failures, values
from flyte._wire.carriers import Carrier

M = TypeVar("M", bound=Message)


class Boundary(Protocol):
    """Hands over what a caller gives and what an attempt leaves behind."""

    carrier: Carrier | None
    """Keeps large values; None: they stay in the messages."""
    reader: Carrier
    """Gets those that are kept: a result out of the cache may be of a run with another boundary."""

    async def inputs(self, context: TaskContext, inputs: common_pb2.Inputs) -> common_pb2.Inputs:
        """The inputs of an action, as its attempts find them."""
        ...

    async def outputs(
        self, context: TaskContext, outputs: common_pb2.Outputs
    ) -> common_pb2.Outputs:
        """The outputs of an attempt, as its caller finds them."""
        ...

    async def failure(self, context: TaskContext, error: BaseException) -> errors.BaseRuntimeError:
        """The failure of an attempt, as its caller sees it."""
        ...

    async def trace(
        self, caller: TaskContext, named: calls.NamedCall, outcome: Outcome
    ) -> common_pb2.Outputs | None:
        """Keep a traced call.

        Returns:
            Its outputs; None if it failed.

        Raises:
            flyte.errors.RuntimeDataValidationError: for a value that could not be kept.
        """
        ...


class InMemory:
    """Messages are handed over as they are: nothing is written, a failure keeps its cause."""

    carrier: Carrier | None = None
    reader: Carrier = StorageCarrier("")

    async def inputs(self, context: TaskContext, inputs: common_pb2.Inputs) -> common_pb2.Inputs:
        return inputs

    async def outputs(
        self, context: TaskContext, outputs: common_pb2.Outputs
    ) -> common_pb2.Outputs:
        return outputs

    async def failure(self, context: TaskContext, error: BaseException) -> errors.BaseRuntimeError:
        return calls.as_seen_by_caller(error, context.hidden)

    async def trace(
        self, caller: TaskContext, named: calls.NamedCall, outcome: Outcome
    ) -> common_pb2.Outputs | None:
        if outcome.error is not None:
            return None
        return await values.outputs(named.call.callee.interface, outcome.value)


class InFiles:
    """Everything is written as bytes and read again, where and as a control plane's processes do it.

    So whatever could not cross from one process into another fails here, with the same error.

    Args:
        run_base: parent of the directories of the run's actions.
    """

    def __init__(self, run_base: str) -> None:
        self.reader: Carrier = StorageCarrier(run_base)
        self.carrier: Carrier | None = self.reader

    async def inputs(self, context: TaskContext, inputs: common_pb2.Inputs) -> common_pb2.Inputs:
        action = storage.join(context.run_base_dir, context.action.name)
        return await _through(storage.join(action, actions.INPUTS), inputs)

    async def outputs(
        self, context: TaskContext, outputs: common_pb2.Outputs
    ) -> common_pb2.Outputs:
        return await _through(storage.join(context.output_path, actions.OUTPUTS), outputs)

    async def failure(self, context: TaskContext, error: BaseException) -> errors.BaseRuntimeError:
        uri = storage.join(context.output_path, actions.ERROR)
        return await self._failure(uri, error, context.hidden)

    async def trace(
        self, caller: TaskContext, named: calls.NamedCall, outcome: Outcome
    ) -> common_pb2.Outputs | None:
        await _through(actions.place(caller, named, actions.INPUTS), named.inputs)
        if outcome.error is not None:
            uri = actions.place(caller, named, actions.ERROR)
            await self._failure(uri, outcome.error, caller.hidden)
            return None
        interface = named.call.callee.interface
        outputs = await values.outputs(interface, outcome.value, carrier=self.carrier)
        again = await _through(actions.place(caller, named, actions.OUTPUTS), outputs)
        await values.returned(interface, again, carrier=self.reader)
        return again

    async def _failure(
        self, uri: str, error: BaseException, hidden: Collection[str]
    ) -> errors.BaseRuntimeError:
        document = await _through(uri, failures.error_document(error, hidden=hidden))
        return failures.from_error_document(document)


async def _through(uri: str, message: M) -> M:
    """The message that a reader finds where this one was written."""
    await storage.write(uri, _bytes(message))
    return type(message).FromString(await storage.read(uri))


def _bytes(message: Any) -> bytes:
    return message.SerializeToString(deterministic=True)
