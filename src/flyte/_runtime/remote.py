"""`RemoteRuntime`: a task's calls become actions of the control plane.

User code owns the main thread and its own loop.  Client, stream and submissions live on the SDK's
background loop, which is started by the first call: a task that calls nothing has no thread, no
connection, and no cost.
"""

import logging
from collections.abc import Callable
from typing import Any

from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.core.execution_pb2 import ContainerError
from flyteidl2.workflow.state_service_pb2 import ActionUpdate

from flyte._client import ControlPlane
from flyte._context import Call, Outcome, Question, TaskContext, scope
from flyte._kit import aio
from flyte._runtime import actions, calls, carriers, results, writing
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.attempts import places
from flyte._runtime.conditions import asking, naming, parking
from flyte._runtime.connection import Connection
from flyte._runtime.sequencer import Sequencer
from flyte._task import TaskTemplate
from flyte._wire import failures, statuses, values
from flyte._wire.images import KnownImages
from flyte._wire.task_spec import SerializationContext
from flyte.config import _read
from flyte.config._access import Access
from flyte.storage import seals

logger = logging.getLogger(__name__)

Connect = Callable[[], ControlPlane]


class RemoteRuntime:
    """The engine inside a task process: one action's children and traces.

    Args:
        arguments: what the control plane said about the running attempt.
        connect: makes the client; replicas and tests give their own.
        own: the running task where it shares its process, which decides what it may call.
    """

    def __init__(
        self,
        arguments: TaskArguments,
        connect: Connect | None = None,
        own: TaskTemplate | None = None,
    ) -> None:
        self._arguments = arguments
        self._own = own
        self._options = dict(arguments.storage_options)
        self._carrier = carriers.of_attempt(arguments)
        self._connect = connect or self._default_connect
        self._sequencer = Sequencer(arguments.action)
        self._actions = actions.TaskActions(_serialization(arguments))
        self._asked = naming.Asked(arguments.action)
        self._parking = parking.of_attempt(arguments, self._is_busy)
        self._traces: dict[Call, calls.NamedCall] = {}
        """Traced calls between `recall` and `record`."""
        self._connection: Connection | None = None
        """Made and used on the background loop; others only look at what has arrived."""
        self._used = False

    async def call(self, call: Call) -> Any:
        """Run a task as a child action; a child that an earlier attempt has finished is only read.

        A cancelled call aborts its child.

        Raises:
            flyte.errors.BaseRuntimeError: what the child failed with, or why it could not be
                submitted.
        """
        if call.blocking:
            return self._background(self._call(call))
        return await self._call(call)

    async def recall(self, call: Call) -> Outcome | None:
        """The recorded outcome of a traced call; None when it must run.

        A recorded failure that another try may mend is not replayed: the function runs again.
        """
        if call.blocking:
            return self._background(self._recall(call))
        return await self._recall(call)

    async def record(self, call: Call, outcome: Outcome) -> None:
        """Keep the outcome of a traced call; returns when the control plane has committed it.

        Its echo on the stream is not waited for: the acknowledgement says the same, and the echo
        would cost another round trip per trace.
        """
        if call.blocking:
            self._background(self._record(call, outcome))
        else:
            await self._record(call, outcome)

    async def ask(self, question: Question) -> None:
        """Make a condition known to the control plane.

        Raises:
            flyte.errors.ConditionAlreadyExistsError: this attempt has asked it already.
        """
        identity = self._asked.add(question.name)
        run = identity.run_name
        logger.info("asks %r: flyte signal condition %s %s", question.name, run, identity.name)
        await self._join(self._ask(asking.action(identity, question, _caller())))

    async def answer(self, question: Question) -> Any:
        """Wait for the end of a condition; while nothing else goes on, without a process (see `conditions.parking`).

        Raises:
            flyte.errors.ConditionTimedoutError: nobody answered in time.
            flyte.errors.ConditionFailedError: the control plane could not go on with it.
        """
        name = self._asked.action(question.name).name
        with self._parking.waiting(name):
            update = await self._join(self._end_of(name))
        return asking.answered(question, update)

    def close(self) -> None:
        """Send what is still to be sent (aborts of cancelled calls) and close the connection."""
        if self._used:
            aio.background().wait(self._disconnect())

    async def aclose(self) -> None:
        """`close` for a caller that may not block its loop."""
        if self._used:
            await aio.background().join(self._disconnect())

    def interrupt(self) -> None:
        """Cancel the calls that are under way; may be asked for in any thread.

        A thread that waits for a call hears of nothing else before that call ends.
        """
        if self._used:
            aio.background().call(self._cancel)

    # --- in the caller's thread: conversion, naming, reading

    async def _call(self, call: Call) -> Any:
        places.check(self._own, call.callee)
        named = await calls.name_task(call, self._sequencer, carrier=self._carrier)
        action = self._actions.build(named, _caller())
        inputs = seals.sealed(named.inputs.SerializeToString(deterministic=True))
        update = await self._join(self._run(action, inputs))
        return await results.of_task(
            update, call.callee.interface, self._options, task=call.callee.name
        )

    async def _recall(self, call: Call) -> Outcome | None:
        named = await calls.name_trace(call, self._sequencer, carrier=self._carrier)
        update = await self._known(named.action.name)
        if update is None or not statuses.is_terminal(update.phase) or _worth_another_try(update):
            self._traces[call] = named
            return None
        if not results.succeeded(update):
            return Outcome(error=await results.failure(update, self._options))
        return Outcome(value=await results.of_trace(update, call.callee.interface, self._options))

    async def _record(self, call: Call, outcome: Outcome) -> None:
        named = self._traces.pop(call)
        caller = _caller()
        if outcome.error is None:
            file = actions.OUTPUTS
            document: Any = await values.outputs(
                call.callee.interface, outcome.value, carrier=self._carrier
            )
        else:
            file = actions.ERROR
            document = failures.error_document(outcome.error, hidden=caller.hidden)
        await self._write(actions.place(caller, named, actions.INPUTS), named.inputs)
        await self._write(actions.place_of_trace(caller, named, file), document)
        await self._join(self._submit(actions.trace_action(named, caller, outcome)))

    async def _write(self, uri: str, message: Any) -> None:
        data = seals.sealed(message.SerializeToString(deterministic=True))
        await writing.write(uri, data, settings=self._options)

    # --- across the threads

    async def _known(self, name: str) -> ActionUpdate | None:
        # A loop with many steps must not pay for two changes of thread per step.
        if self._connection is not None and self._connection.is_ready:
            return self._connection.known_now(name)
        return await self._join(self._wait_for_known(name))

    def _background(self, coro: Any) -> Any:
        self._used = True
        return aio.background().wait(coro)

    async def _join(self, coro: Any) -> Any:
        self._used = True
        return await aio.background().join(coro)

    # --- on the background loop

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._connect(), self._arguments.action, self._options)
        return self._connection

    async def _run(self, action: Action, inputs: bytes) -> ActionUpdate:
        return await self._connected().run(action, inputs)

    async def _wait_for_known(self, name: str) -> ActionUpdate | None:
        return await self._connected().known(name)

    async def _ask(self, action: Action) -> None:
        connection = self._connected()
        if await connection.known(action.action_id.name) is None:
            await connection.submit(action)

    async def _end_of(self, name: str) -> ActionUpdate:
        return await self._connected().end_of(name)

    async def _submit(self, action: Action) -> None:
        await self._connected().submit(action)

    def _is_busy(self) -> bool:
        return self._connection is not None and self._connection.is_aborting

    def _cancel(self) -> None:
        if self._connection is not None:
            self._connection.cancel()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    def _default_connect(self) -> ControlPlane:
        arguments = self._arguments
        return ControlPlane.connect(
            arguments.endpoint,
            insecure=arguments.insecure,
            access=Access(insecure_skip_verify=arguments.insecure_skip_verify),
            caller=arguments.action,
            environment=_read.environment(),
        )


def _caller() -> TaskContext:
    here = scope()
    if here is None:
        raise RuntimeError("a remote call needs the scope of a running task")
    return here.task


def _worth_another_try(update: ActionUpdate) -> bool:
    return (
        not results.succeeded(update)
        and update.HasField("error")
        and update.error.recoverability == ContainerError.RECOVERABLE
    )


def _serialization(arguments: TaskArguments) -> SerializationContext:
    return SerializationContext(
        project=arguments.action.project or "",
        domain=arguments.action.domain or "",
        org=arguments.action.org or "",
        version=arguments.version,
        code_bundle=arguments.code_bundle,
        image_cache=arguments.image_cache and KnownImages.from_transport(arguments.image_cache),
        root_dir=None,
    )
