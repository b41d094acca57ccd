"""One attempt in a process that it shares with others."""

import asyncio
import logging
from collections.abc import Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument, ExecutionError

from flyte import _context, _session, errors, storage
from flyte._client import ControlPlane
from flyte._entrypoints.replica.belongings import Belongings
from flyte._entrypoints.replica.shared import Shared
from flyte._entrypoints.replica.threads import Interruptible
from flyte._runtime import actions, arguments, writing
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.attempts import endings, performing
from flyte._runtime.remote import RemoteRuntime
from flyte._task import TaskTemplate
from flyte_protocol.worker.v1.worker_pb2 import Assignment, Failure

logger = logging.getLogger(__name__)

_BLAMES = {
    ExecutionError.USER: Failure.BLAME_USER,
    ExecutionError.SYSTEM: Failure.BLAME_SYSTEM,
}
_INTERRUPTED = Failure(
    code="Interrupted",
    message="The task was ended from outside.",
    blame=Failure.BLAME_SYSTEM,
    recoverable=True,
)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """The secrets of an attempt."""

    env: Mapping[str, str] = field(repr=False)
    files: Mapping[str, str] = field(repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        """What nobody may see."""
        return (*self.env.values(), *self.files.values())


def _texts(values: Mapping[str, bytes]) -> dict[str, str]:
    """Values as Python has them in variables."""
    return {name: value.decode("utf-8", "surrogateescape") for name, value in values.items()}


class Attempt:
    """From the assignment to the verdict.  Lives on the main thread's loop.

    Nothing that user code raises leaves it: a SystemExit that went on would end the loop for all others.

    Args:
        assignment: what the control plane said.
        shared: what it shares with the others.
        context: context variables of its own.
    """

    def __init__(self, assignment: Assignment, shared: Shared, context: Context) -> None:
        self._assignment = assignment
        self._shared = shared
        self._belongings = Belongings()
        _context.make_owner(self._belongings, context)
        self._hidden = _Hidden(_texts(assignment.hidden_env), _texts(assignment.hidden_files))
        self._environment: Mapping[str, str] = {}
        self._asked = False
        """Whether somebody wants its end."""
        self._runtime: RemoteRuntime | None = None
        self._work: Interruptible | None = None
        """The plain function that is running."""
        self._arguments: TaskArguments | None = None
        self.task: asyncio.Task[Failure | None] | None = None

    async def live(self) -> Failure | None:
        """Perform the attempt and write what came of it: None for success, else the failure."""
        voices = self._shared.voices
        voices.enter(self._belongings, self._assignment.log_path, self._hidden.values)
        try:
            given = self._arguments = self._read()
            document = await self._perform(given)
            await self._write(given, actions.OUTPUTS, document)
        except BaseException as error:  # noqa: BLE001 - the edge of user code in a process that goes on
            return await self._failed(error)
        finally:
            await self._belongings.end()
            voices.leave(self._belongings)
        return None

    def cancel(self) -> None:
        """End it: its coroutine is cancelled, its plain function gets a KeyboardInterrupt."""
        self._asked = True
        if not self.interrupt() and self.task is not None:
            self.task.cancel()

    def interrupt(self) -> bool:
        """Interrupt its plain function; False when none runs.  May be asked for in any thread."""
        work = self._work
        if work is None:
            return False
        self._asked = True
        work.interrupt()
        if self._runtime is not None:
            self._runtime.interrupt()
        return True

    def verdict(self, task: "asyncio.Task[Failure | None]") -> Failure | None:
        """What its task came to."""
        if task.cancelled():
            return _INTERRUPTED
        error = task.exception()
        if error is not None:
            logger.error("an attempt has failed in a way that nobody foresaw", exc_info=error)
            return Failure(
                code=type(error).__name__,
                message=f"The replica could not end the attempt: {error}",
                blame=Failure.BLAME_SYSTEM,
                recoverable=True,
            )
        return task.result()

    # --- the stages

    def _read(self) -> TaskArguments:
        shared, hidden = self._shared, self._hidden
        shared.uncover(hidden.env, hidden.files)
        self._environment = {**shared.environment, **shared.secrets, **self._assignment.env}
        return arguments.parse(self._assignment.args, self._environment)

    async def _perform(self, given: TaskArguments) -> bytes:
        task = self._shared.load(given)
        runtime = self._runtime = RemoteRuntime(given, self._connect, own=task)
        try:
            with _session.of_attempt(self._environment, self._connect):
                return await performing.perform(given, task, runtime, self._execute)
        finally:
            await runtime.aclose()

    async def _execute(self, task: TaskTemplate, given: Mapping[str, Any]) -> Any:
        """Call the task where it blocks nobody."""
        if not performing.is_plain(task):
            return await task.execute(**given)
        self._work = Interruptible(lambda: task.func(**given), copy_context())
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._shared.threads, self._work)
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                self.interrupt()  # and wait on: the attempt is not over before its thread is
        self._work = None
        return running.result().unwrap()

    def _connect(self) -> ControlPlane:
        assert self._arguments is not None, "an attempt that calls something has arguments"
        return self._shared.workers.on_behalf(
            self._arguments.action, self._environment, over=self._is_over
        )

    def _is_over(self, reason: str) -> None:
        """The control plane has another attempt in the place of this one.  Called on the background loop."""
        logger.warning("%s", reason)
        if self.task is not None:
            self.task.get_loop().call_soon_threadsafe(self.cancel)

    async def _failed(self, error: BaseException) -> Failure:
        if isinstance(error, KeyboardInterrupt):
            return _INTERRUPTED
        if self._asked:  # what it raises while it is ended is no verdict on the task
            if not isinstance(error, asyncio.CancelledError):
                logger.warning("an attempt that was told to end failed", exc_info=error)
            return _INTERRUPTED
        document = endings.failed(error, self._hidden.values)
        try:
            if self._arguments is not None:
                await self._write(self._arguments, actions.ERROR, endings.serialized(document))
        except errors.StorageError:
            logger.exception("an attempt has failed, and its error cannot be written")
        return _failure(document)

    async def _write(self, given: TaskArguments, file: str, document: bytes) -> None:
        uri = storage.join(given.outputs_path, file)
        await writing.write(uri, document, settings=dict(given.storage_options))


def _failure(document: ErrorDocument) -> Failure:
    error = document.error
    return Failure(
        code=error.code,
        message=error.message,
        blame=_BLAMES.get(error.origin, Failure.BLAME_UNSPECIFIED),
        recoverable=error.kind == ContainerError.RECOVERABLE,
    )
