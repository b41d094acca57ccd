"""`LocalRuntime`: tasks in the caller's process, with a control plane's values and errors.

Inputs and outputs go through their literals although nobody else reads them, so that what works
here works there. Nothing is kept: traces are called again, there is no cache.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from flyteidl2.task import common_pb2

from flyte import errors
from flyte._context import Call, Outcome, RawDataPath, Scope, TaskContext, entered, scope
from flyte._ids import ROOT_ACTION, ActionID, random_run_name
from flyte._kit import aio, backoff, clock
from flyte._policies import RetryStrategy, Timeout, retry_strategy, timeout
from flyte._runtime import calls, limits
from flyte._runtime.sequencer import Sequencer
from flyte._runtime.variables import Variables
from flyte._task import AsyncFunctionTaskTemplate, TaskTemplate
from flyte._wire import values

_SYSTEM_RETRIES = 3
"""As a control plane gives for failures that are not the user's."""
_SYSTEM_PAUSES = backoff.Backoff(base=1, factor=2, cap=30)


@dataclass(slots=True)
class _Budget:
    """What is left of a call's retries and time."""

    strategy: RetryStrategy
    time: Timeout
    started: float
    user_failures: int = 0
    system_failures: int = 0

    def pause(self, failure: errors.ErrorCode) -> float | None:
        """Seconds until the next attempt, or None when there is none."""
        if not failure.recoverable or failure.code == "DeadlineExceeded":
            return None
        if failure.kind == "system":
            self.system_failures += 1
            over = self.system_failures > _SYSTEM_RETRIES
            return None if over else _SYSTEM_PAUSES.delay(self.system_failures - 1)
        self.user_failures += 1
        if self.user_failures > self.strategy.count:
            return None
        grown = self.strategy.backoff
        return grown.compute_delay(self.user_failures - 1).total_seconds() if grown else 0.0

    def seconds(self) -> tuple[float | None, bool]:
        """How long the next attempt may take, and whether that is because of the deadline."""
        runtime, deadline = _seconds(self.time.max_runtime), _seconds(self.time.deadline)
        if deadline is None:
            return runtime, False
        left = max(0.0, deadline - (clock.monotonic() - self.started))
        return (left, True) if runtime is None or left < runtime else (runtime, False)


class LocalRuntime:
    """The in-process engine; each running action has its own, because names count per caller.

    Example:
        >>> LocalRuntime().run_root(train, {"folds": 3})
        0.97
    """

    def __init__(self, action: ActionID | None = None, variables: Variables | None = None) -> None:
        self._action = action or ActionID.create_random()
        self._sequencer = Sequencer(self._action)
        self._variables = variables or Variables()

    async def call(self, call: Call) -> Any:
        """Run a task on the caller's loop, in a thread, or (`blocking`) in the calling thread."""
        named = await calls.name_task(call, self._sequencer)
        surroundings = scope()
        if surroundings is None:
            raise RuntimeError("a local call needs the scope of a running task; use run_root")
        context = _child_context(surroundings.task, named.action, call.callee.name)
        return await self._attempts(_task(call), named.inputs, context, blocking=call.blocking)

    async def recall(self, call: Call) -> Outcome | None:
        """Nothing is kept between attempts, so nothing is known; but the inputs must fit.

        Raises:
            flyte.errors.RuntimeDataValidationError: for an input that could not be kept.
        """
        await values.inputs(call.callee.interface, call.arguments)
        return None

    async def record(self, call: Call, outcome: Outcome) -> None:
        """Nothing is kept: a local process that dies takes its run along; but the value must fit.

        Raises:
            flyte.errors.RuntimeDataValidationError: for a value that could not be kept.
        """
        if outcome.error is None:
            await values.outputs(call.callee.interface, outcome.value)

    def run_root(
        self,
        task: TaskTemplate,
        arguments: Mapping[str, Any],
        *,
        name: str | None = None,
        project: str | None = None,
        domain: str | None = None,
        custom_context: Mapping[str, str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        raw_data_path: str | None = None,
    ) -> Any:
        """Run a task as the root of a local run, in the calling thread: a debugger stops in it.

        An async task gets an event loop of its own there; only if the thread runs a loop already (a
        notebook) does the task go to the SDK's background loop.

        Args:
            task: the task.
            arguments: every input by name (see `NativeInterface.bind`).
            name: the run's name; a random one by default.
            project: what the task's context says.
            domain: what the task's context says.
            custom_context: values for `flyte.ctx().custom_context`, here and in all children.
            env_vars: environment variables for the duration of the run.
            raw_data_path: where large values go; a folder under the system's temporary one by
                default.

        Raises:
            flyte.errors.BaseRuntimeError: what the task raised, as a control plane would report it.
        """
        root = self._root(
            _root_context(task, name, project, domain, custom_context, raw_data_path),
            task,
            arguments,
            env_vars=env_vars or {},
            blocking=not task.is_async,
        )
        if not task.is_async:
            return aio.drive(root)
        return aio.background().wait(root) if _loop_is_running() else aio.run_main(root)

    async def run_root_aio(
        self,
        task: TaskTemplate,
        arguments: Mapping[str, Any],
        *,
        name: str | None = None,
        project: str | None = None,
        domain: str | None = None,
        custom_context: Mapping[str, str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        raw_data_path: str | None = None,
    ) -> Any:
        """`run_root` on the caller's event loop (an async task) or in a thread (a plain one)."""
        context = _root_context(task, name, project, domain, custom_context, raw_data_path)
        return await self._root(context, task, arguments, env_vars=env_vars or {}, blocking=False)

    async def _root(
        self,
        context: TaskContext,
        task: TaskTemplate,
        arguments: Mapping[str, Any],
        *,
        env_vars: Mapping[str, str],
        blocking: bool,
    ) -> Any:
        inputs = await values.inputs(task.interface, arguments, limit=task.max_inline_io_bytes)
        with self._variables.restored():
            self._variables.want(env_vars)
            return await self._attempts(task, inputs, context, blocking=blocking)

    async def _attempts(
        self, task: TaskTemplate, inputs: common_pb2.Inputs, context: TaskContext, *, blocking: bool
    ) -> Any:
        budget = _Budget(
            retry_strategy(task.retries), timeout(task.timeout) or Timeout(), clock.monotonic()
        )
        for number in count():
            context = _attempt_context(context, number)
            try:
                return await self._attempt(task, inputs, context, budget, blocking=blocking)
            except (Exception, SystemExit) as error:
                pause = budget.pause(errors.to_code(error))
                if pause is None:
                    raise calls.as_seen_by_caller(error) from error
            await _pause(pause, blocking=blocking)
        raise AssertionError("the budget ends the loop")

    async def _attempt(
        self,
        task: TaskTemplate,
        inputs: common_pb2.Inputs,
        context: TaskContext,
        budget: _Budget,
        *,
        blocking: bool,
    ) -> Any:
        self._variables.want(task.env_vars or {})
        arguments = await values.arguments(task.interface, inputs)
        seconds, by_deadline = budget.seconds()
        runtime = LocalRuntime(context.action, self._variables)
        try:
            with entered(Scope(runtime=runtime, task=context)):
                returned = await _invoke(task, arguments, seconds, blocking=blocking)
        except limits.LimitHitError as error:
            raise _limit_error(task, context, budget, by_deadline=by_deadline) from error
        outputs = await values.outputs(task.interface, returned, limit=task.max_inline_io_bytes)
        return await values.returned(task.interface, outputs)


async def _invoke(
    task: TaskTemplate, arguments: Mapping[str, Any], seconds: float | None, *, blocking: bool
) -> Any:
    """Call the user's function where its kind and its caller allow."""
    if isinstance(task, AsyncFunctionTaskTemplate) and not task.is_async:
        body = partial(task.func, **arguments)
        if blocking:
            return limits.inline(body, seconds)
        return await limits.in_thread(body, seconds)
    coroutine = limits.awaited(task.execute(**arguments), seconds)
    if not blocking:
        return await coroutine
    # A caller that cannot wait called an async task: it gets a loop for the time of the call.
    return aio.background().wait(coroutine) if _loop_is_running() else aio.run_main(coroutine)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _pause(seconds: float, *, blocking: bool) -> None:
    if seconds <= 0:
        return
    if blocking:
        backoff.sleep_blocking(seconds)
    else:
        await asyncio.sleep(seconds)


def _task(call: Call) -> TaskTemplate:
    if not isinstance(call.callee, TaskTemplate):
        raise TypeError(f"{call.callee.name} is not a task")
    return call.callee


def _seconds(limit: timedelta | int | None) -> float | None:
    return limit.total_seconds() if isinstance(limit, timedelta) else limit


def _limit_error(
    task: TaskTemplate, context: TaskContext, budget: _Budget, *, by_deadline: bool
) -> errors.TaskTimeoutError:
    if by_deadline:
        return errors.DeadlineExceededError(
            f"{task.name} was not done {_seconds(budget.time.deadline):g} s after its creation, "
            "which is its deadline over all attempts."
        )
    return errors.MaxRuntimeExceededError(
        f"Attempt {context.attempt_number + 1} of {task.name} ran longer than its max_runtime of "
        f"{_seconds(budget.time.max_runtime):g} s; raise it or make the task faster."
    )


def _root_context(
    task: TaskTemplate,
    name: str | None,
    project: str | None,
    domain: str | None,
    custom_context: Mapping[str, str] | None,
    raw_data_path: str | None,
) -> TaskContext:
    run_name = name or random_run_name()
    base = f"{tempfile.gettempdir()}/flyte/{run_name}"
    action = ActionID(name=ROOT_ACTION, run_name=run_name, project=project, domain=domain)
    return TaskContext(
        action=action,
        version="",
        raw_data_path=RawDataPath(raw_data_path or f"{base}/raw"),
        output_path=base,
        run_base_dir=base,
        mode="local",
        custom_context=dict(custom_context or {}),
        run_start_time=clock.now(),
        task_name=task.name,
    )


def _child_context(parent: TaskContext, action: ActionID, task_name: str) -> TaskContext:
    return parent.replace(action=action, task_name=task_name, group_data=None)


def _attempt_context(context: TaskContext, number: int) -> TaskContext:
    prefix = f"{context.run_base_dir}/{context.action.name}/{number + 1}"
    return context.replace(attempt_number=number, output_path=prefix, data=dict(context.data))
