"""`LocalRuntime`: tasks in the caller's process, with a control plane's values and errors.

Inputs and outputs go through their literals although nobody else reads them, so that what works
here works there.  What was called and how it ended goes into the run's journal (`inprocess.journal`), from
which a later run takes over what succeeded; within one run, another attempt calls everything again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, TypedDict, Unpack

from flyteidl2.task import common_pb2

from flyte import _checkpoint, _secret
from flyte._context import (
    Call,
    CheckpointPaths,
    Outcome,
    Question,
    RawDataPath,
    Scope,
    TaskContext,
    entered,
    scope,
)
from flyte._ids import ROOT_ACTION, ActionID, random_run_name
from flyte._kit import aio, backoff, clock
from flyte._runtime import calls
from flyte._runtime.caching.local import LocalCache, LocalCall
from flyte._runtime.caching.shelf import Scope as CacheScope
from flyte._runtime.conditions import naming
from flyte._runtime.conditions.terminal import Terminal
from flyte._runtime.inprocess import limits, secrets
from flyte._runtime.inprocess.boundary import Boundary, InFiles, InMemory
from flyte._runtime.inprocess.budgets import Budget
from flyte._runtime.inprocess.journal import Called
from flyte._runtime.inprocess.steps import CONDITION, Steps
from flyte._runtime.inprocess.variables import Variables
from flyte._runtime.sequencer import Sequencer
from flyte._task import AsyncFunctionTaskTemplate, TaskTemplate
from flyte._wire import values
from flyte._wire.conditions import messages
from flyte._wire.failing import codes
from flyte.config import _read
from flyte.report import _live

_CHECKPOINT = "_flytecheckpoints"
_TERMINAL = Terminal()
"""One for all runs of the process: two questions at once would mix."""


class Surroundings(TypedDict, total=False):
    """What a caller may choose about a local run."""

    name: str | None
    """The run's name; a random one by default."""
    project: str | None
    domain: str | None
    """What the task's context says."""
    custom_context: Mapping[str, str] | None
    """Values for `flyte.ctx().custom_context`, in the root and in all children."""
    env_vars: Mapping[str, str] | None
    """Environment variables for the duration of the run."""
    raw_data_path: str | None
    """Where files and tables go; the run's folder in `$FLYTE_HOME/local` by default."""
    force_serialization: bool
    """Write and read every value as bytes, as between processes (see `boundary.InFiles`)."""
    overwrite_cache: bool
    """Execute cached tasks again and keep the new results."""
    disable_run_cache: bool
    """Neither use nor keep results of cached tasks."""
    cache_lookup_scope: CacheScope


class LocalRuntime:
    """The in-process engine; each running action has its own, because names count per caller.

    Args:
        action: whose calls it serves.
        variables: the environment of the run.
        boundary: what lies between callers and tasks.
        cache: results of cached tasks.
        steps: what is kept of the run, and taken over from an earlier one.
        debugged: calls have all the time, and are not tried again.

    Example:
        >>> LocalRuntime().run_root(train, {"folds": 3})
        0.97
    """

    def __init__(
        self,
        action: ActionID | None = None,
        variables: Variables | None = None,
        boundary: Boundary | None = None,
        cache: LocalCache | None = None,
        steps: Steps | None = None,
        *,
        debugged: bool = False,
    ) -> None:
        self._action = action or ActionID.create_random()
        self._sequencer = Sequencer(self._action)
        self._variables = variables or Variables()
        self._boundary: Boundary = boundary or InMemory()
        self._cache = cache or LocalCache()
        self._steps = steps or Steps()
        self._debugged = debugged
        self._asked = naming.Asked(self._action)
        self._traces: dict[Call, calls.NamedCall] = {}
        """Traced calls between `recall` and `record`."""

    async def call(self, call: Call) -> Any:
        """Run a task on the caller's loop, in a thread, or (`blocking`) in the calling thread."""
        carrier = self._boundary.carrier
        named = await calls.name_task(call, self._sequencer, carrier=carrier)
        self._steps.asked(named)
        caller = _caller()
        context = _child_context(caller, named.action, call.callee.name)
        step = _step(named, caller)
        return await self._result(step, _task(call), named.inputs, context, blocking=call.blocking)

    async def recall(self, call: Call) -> Outcome | None:
        """The value that the run which is recovered has; earlier attempts of this one do not count.

        Raises:
            flyte.errors.RuntimeDataValidationError: for an input that could not be kept.
        """
        carrier = self._boundary.carrier
        named = await calls.name_trace(call, self._sequencer, carrier=carrier)
        self._steps.asked(named)
        known = self._steps.taken(_step(named, _caller()), "trace")
        if known is None:
            self._traces[call] = named
            return None
        reader, interface = self._boundary.reader, call.callee.interface
        return Outcome(value=await values.returned(interface, known, carrier=reader))

    async def record(self, call: Call, outcome: Outcome) -> None:
        """Keep the outcome of a traced call in the journal.

        Raises:
            flyte.errors.RuntimeDataValidationError: for a value that cannot be kept.
        """
        caller, named = _caller(), self._traces.pop(call)
        outputs = await self._boundary.trace(caller, named, outcome)
        self._steps.traced(_step(named, caller), outcome, outputs)

    async def ask(self, question: Question) -> None:
        """Remember that a condition was asked; it is asked for when somebody waits for it.

        Raises:
            flyte.errors.ConditionAlreadyExistsError: this attempt has asked it already.
        """
        self._asked.add(question.name)

    async def answer(self, question: Question) -> Any:
        """The answer that the run which is recovered has, or that of the person at the terminal.

        Raises:
            flyte.errors.ConditionFailedError: there is no terminal to ask in.
            flyte.errors.ConditionTimedoutError: nobody answered in time.
        """
        caller = _caller()
        identity = self._asked.action(question.name)
        known = self._steps.answers.get(identity.name)
        if known is not None:
            return known
        step = Called(identity.name, caller.action.name, question.name, _group(caller))
        taken = self._steps.taken(step, CONDITION)
        if taken is None:
            answer = await _TERMINAL.ask(question)
            self._steps.answered(step, messages.outputs(answer))
        else:
            answer = messages.value(taken.literals[0].value)
        self._steps.answers[identity.name] = answer
        return answer

    def run_root(
        self, task: TaskTemplate, arguments: Mapping[str, Any], **chosen: Unpack[Surroundings]
    ) -> Any:
        """Run a task as the root of a local run, in the calling thread: a debugger stops in it.

        An async task gets an event loop of its own there; only if the thread runs a loop already (a
        notebook) does the task go to the SDK's background loop.

        Args:
            task: the task.
            arguments: every input by name (see `NativeInterface.bind`).
            chosen: see `Surroundings`.

        Raises:
            flyte.errors.BaseRuntimeError: what the task raised, as a control plane would report it.
        """
        root = self._root(task, arguments, chosen, blocking=not task.is_async)
        if not task.is_async:
            return aio.drive(root)
        return aio.background().wait(root) if _loop_is_running() else aio.run_main(root)

    async def run_root_aio(
        self, task: TaskTemplate, arguments: Mapping[str, Any], **chosen: Unpack[Surroundings]
    ) -> Any:
        """`run_root` on the caller's event loop (an async task) or in a thread (a plain one)."""
        return await self._root(task, arguments, chosen, blocking=False)

    def run_again(
        self,
        task: TaskTemplate,
        inputs: common_pb2.Inputs,
        context: TaskContext,
        env_vars: Mapping[str, str],
    ) -> Any:
        """Run one action of some run once more, in the calling thread, with its own name, inputs and context.

        Raises:
            flyte.errors.BaseRuntimeError: what the task raised.
        """
        blocking = not task.is_async
        again = self._again(task, inputs, context, env_vars, blocking=blocking)
        return aio.drive(again) if blocking else aio.run_main(again)

    async def _again(
        self,
        task: TaskTemplate,
        inputs: common_pb2.Inputs,
        context: TaskContext,
        env_vars: Mapping[str, str],
        *,
        blocking: bool,
    ) -> Any:
        step = Called(context.action.name, "", task.name, "")
        with self._variables.restored(), entered(Scope(runtime=self, task=context)):
            self._variables.want(env_vars)
            return await self._result(step, task, inputs, context, blocking=blocking)

    async def _root(
        self,
        task: TaskTemplate,
        arguments: Mapping[str, Any],
        chosen: Surroundings,
        *,
        blocking: bool,
    ) -> Any:
        context = _root_context(task, chosen)
        if chosen.get("force_serialization"):
            self._boundary = InFiles(context.run_base_dir)
        self._cache = LocalCache(
            overwrite=chosen.get("overwrite_cache", False),
            disabled=chosen.get("disable_run_cache", False),
            scope=chosen.get("cache_lookup_scope", "global"),
        )
        # In the scope of the run already, so that the files among the inputs go into its raw data.
        with self._variables.restored(), entered(Scope(runtime=self, task=context)):
            self._variables.want(chosen.get("env_vars") or {})
            inputs = await values.inputs(
                task.interface,
                arguments,
                context=context.custom_context,
                limit=task.max_inline_io_bytes,
                carrier=self._boundary.carrier,
            )
            self._steps.begin(str(context.action.run_name), task.name, inputs)
            step = Called(ROOT_ACTION, "", task.name, "")
            try:
                return await self._result(step, task, inputs, context, blocking=blocking)
            finally:
                _live.tell_local(context.run_base_dir)

    async def _result(
        self,
        step: Called,
        task: TaskTemplate,
        inputs: common_pb2.Inputs,
        context: TaskContext,
        *,
        blocking: bool,
    ) -> Any:
        call = LocalCall(task, inputs, context, self._boundary.reader, blocking)
        known = self._steps.taken(step)
        if known is not None:
            return await call.value(known)
        started_us = self._steps.called(step)
        try:
            outputs, value = await self._cache.result(call, partial(self._attempts, call))
        except BaseException as error:
            self._steps.failed(step, error, started_us)
            raise
        self._steps.succeeded(step, outputs, started_us)
        return value

    async def _attempts(self, call: LocalCall, cache: LocalCache) -> common_pb2.Outputs:
        task, inputs, context, blocking = call.task, call.inputs, call.context, call.blocking
        budget = Budget.of(task, debugged=self._debugged)
        inputs = await self._boundary.inputs(context, inputs)
        found = secrets.of(_secret.secrets(task.secrets))
        self._variables.want(found.env, secret=True)
        self._steps.hide(found.values)
        context = context.replace(hidden=found.values)
        for number in count(context.attempt_number):
            context = _attempt_context(context, number)
            try:
                try:
                    attempt = replace(call, inputs=inputs, context=context)
                    return await self._attempt(attempt, cache, budget)
                finally:
                    _checkpoint.discard(context)
                    await _end_report(context, blocking=blocking)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of the task
                seen = await self._boundary.failure(context, error)
                pause = budget.pause(codes.to_code(error))
                if pause is None:
                    raise seen from seen.__cause__
            await _pause(pause, blocking=blocking)
        raise AssertionError("the budget ends the loop")

    async def _attempt(
        self, call: LocalCall, cache: LocalCache, budget: Budget
    ) -> common_pb2.Outputs:
        task, inputs, context = call.task, call.inputs, call.context
        self._variables.want(task.env_vars or {})
        boundary, limit = self._boundary, task.max_inline_io_bytes
        runtime = LocalRuntime(
            context.action, self._variables, boundary, cache, self._steps, debugged=self._debugged
        )
        with entered(Scope(runtime=runtime, task=context)):
            arguments = await values.arguments(task.interface, inputs, carrier=boundary.reader)
            seconds, by_deadline = budget.seconds()
            try:
                returned = await _invoke(task, arguments, seconds, blocking=call.blocking)
            except limits.LimitHitError as error:
                raise budget.exceeded(context.attempt_number, by_deadline=by_deadline) from error
            outputs = await values.outputs(
                task.interface, returned, limit=limit, carrier=boundary.carrier
            )
        return await boundary.outputs(context, outputs)


async def _invoke(
    task: TaskTemplate, arguments: Mapping[str, Any], seconds: float | None, *, blocking: bool
) -> Any:
    """Call the user's function where its kind and its caller allow."""
    if isinstance(task, AsyncFunctionTaskTemplate) and task.is_plain:
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


def _caller() -> TaskContext:
    here = scope()
    if here is None:
        raise RuntimeError("a local call needs the scope of a running task; use run_root")
    return here.task


def _group(caller: TaskContext) -> str:
    return caller.group_data.name if caller.group_data else ""


def _step(named: calls.NamedCall, caller: TaskContext) -> Called:
    call = named.call
    return Called(named.action.name, caller.action.name, call.callee.name, call.group or "")


def _root_context(task: TaskTemplate, chosen: Surroundings) -> TaskContext:
    run_name = chosen.get("name") or random_run_name()
    base = f"{_read.flyte_home()}/local/{run_name}"
    action = ActionID(
        name=ROOT_ACTION,
        run_name=run_name,
        project=chosen.get("project"),
        domain=chosen.get("domain"),
    )
    return TaskContext(
        action=action,
        version="",
        raw_data_path=RawDataPath(chosen.get("raw_data_path") or f"{base}/raw"),
        output_path=base,
        run_base_dir=base,
        mode="local",
        custom_context=dict(chosen.get("custom_context") or {}),
        disable_run_cache=chosen.get("disable_run_cache", False),
        run_start_time=clock.now(),
        task_name=task.name,
    )


def _child_context(parent: TaskContext, action: ActionID, task_name: str) -> TaskContext:
    return parent.replace(action=action, task_name=task_name, group_data=None, attempt_number=0)


def _attempt_context(context: TaskContext, number: int) -> TaskContext:
    prefix = f"{context.run_base_dir}/{context.action.name}/{number + 1}"
    earlier = _checkpoint.latest(context) if number else None
    changed = context.replace(
        attempt_number=number,
        output_path=prefix,
        data=dict(context.data),
        checkpoint_paths=CheckpointPaths(earlier, f"{prefix}/{_CHECKPOINT}"),
    )
    return _live.opened(_checkpoint.attached(changed))


async def _end_report(context: TaskContext, *, blocking: bool) -> None:
    if blocking:
        _live.close(context)
    else:
        await _live.close_aio(context)
