"""How actions of a running parent come in: tasks to execute, conditions to be answered, and traces that are over."""

import posixpath

from flyteidl2.actions import actions_service_pb2

from flyte_server import blobs
from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Invalid
from flyte_server.domain.phases import Blame, Phase
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.engine import Engine
from flyte_server.services.catalogue.tasks import TaskBook
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.launch import verdicts
from flyte_server.services.wire import commands, conditions, ids


class Intake:
    """Turns an `actions.Action` message into one command of the engine."""

    def __init__(self, engine: Engine, directory: Directory, tasks: TaskBook, clock: Clock) -> None:
        self._engine = engine
        self._directory = directory
        self._tasks = tasks
        self._clock = clock

    async def take(
        self, message: actions_service_pb2.Action, caller: AttemptKey | None = None
    ) -> None:
        """Take an action in; returns after the commit.

        Args:
            message: the action.
            caller: the attempt that asks; None when it did not say.

        Raises:
            AlreadyExists: the action is known; its parent needs to do nothing but watch.
            AttemptOver: the caller is not the current attempt of its action any more.
        """
        name = ids.action(message.action_id)
        facts = await self._directory.by_name(name.run)
        spec = message.WhichOneof("spec")
        if spec == "task":
            is_new = await self._task(message, name.run, facts, caller)
        elif spec == "trace":
            is_new = await self._trace(message, facts, caller)
        elif spec == "condition":
            asked = conditions.command(message)
            is_new = await self._engine.ask(facts.run.id, asked, caller=caller)
        else:
            raise Invalid(
                f"Action {name.name!r} has no spec; send action.task, action.condition or action.trace."
            )
        if not is_new:
            raise AlreadyExists(
                f"Action {name.name!r} of run {name.run.name!r} is already known; watch it instead."
            )

    async def _task(
        self,
        message: actions_service_pb2.Action,
        run: ids.RunName,
        facts: RunFacts,
        caller: AttemptKey | None,
    ) -> bool:
        task = commands.child_task(message.task, run)
        if not message.task.HasField("spec"):
            deployed = await self._tasks.deployed(ids.task(message.task.id))
            message.task.spec.CopyFrom(deployed.spec)
            task = deployed.name
        child = commands.child(message, task, facts.cache)
        return await self._engine.enqueue(facts.run.id, child, caller=caller)

    async def _trace(
        self, message: actions_service_pb2.Action, facts: RunFacts, caller: AttemptKey | None
    ) -> bool:
        failed = commands.trace_phase(message.trace) is Phase.FAILED
        failure = _trace_failure(message) if failed else None
        made = commands.trace(message, failure, now=self._clock.now_us())
        return await self._engine.record_trace(facts.run.id, made, caller=caller)


def _trace_failure(message: actions_service_pb2.Action) -> Failure:
    """Why a trace failed: its caller wrote it beside the inputs, the request does not say it.

    Without the file the failure counts as recoverable: calling again is right more often than
    failing again.
    """
    path = posixpath.join(commands.trace_directory(message), verdicts.ERROR_FILE)
    return verdicts.read_failure(blobs.local_path(path)) or Failure(
        code="TraceFailed",
        message=f"The traced function {message.trace.name!r} failed and left no reason at {path}.",
        blame=Blame.USER,
        recoverable=True,
    )
