"""The messages with which an action asks for its children and tells of its traces."""

from datetime import datetime
from typing import Any

from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.common import phase_pb2
from flyteidl2.task import task_definition_pb2
from flyteidl2.workflow.run_definition_pb2 import TraceAction
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from flyte import errors, storage
from flyte._context import Outcome, TaskContext
from flyte._runtime.calls import NamedCall
from flyte._task import TaskTemplate
from flyte._wire import ids, interfaces, task_spec
from flyte._wire.caching import keys
from flyte._wire.deployed.reference import Reference

INPUTS = "inputs.pb"
OUTPUTS = "outputs.pb"
ERROR = "error.pb"


class TaskActions:
    """Actions of the tasks that one action calls; each task's specification is made once."""

    def __init__(self, context: task_spec.SerializationContext) -> None:
        self._context = context
        # Held by identity: tasks need not be hashable, and an override is a task of its own.  The
        # task itself is kept beside its specification so that its id is not given to another one.
        self._specs: dict[int, tuple[TaskTemplate, task_definition_pb2.TaskSpec]] = {}

    def build(self, named: NamedCall, caller: TaskContext) -> Action:
        """The action for a call of a task."""
        task: Any = named.call.callee
        spec = self._spec(task)
        action = _action(named, caller)
        action.task.id.CopyFrom(_identifier(task, spec))
        action.task.spec.CopyFrom(spec)
        if caller.disable_run_cache:
            keys.disable(action.task.spec.task_template)
        elif (key := keys.key(spec.task_template, named.inputs)) is not None:
            action.task.cache_key.CopyFrom(StringValue(value=key))
        if task.queue:
            action.task.queue = task.queue
        return action

    def _spec(self, task: TaskTemplate | Reference) -> task_definition_pb2.TaskSpec:
        if isinstance(task, Reference):
            return task.spec
        known = self._specs.get(id(task))
        if known is None:
            known = self._specs[id(task)] = (task, task_spec.task_spec(task, self._context))
        return known[1]


def trace_action(named: NamedCall, caller: TaskContext, outcome: Outcome) -> Action:
    """The action that tells of a traced call which has ended already."""
    action = _action(named, caller)
    trace = TraceAction(
        name=named.call.callee.name,
        phase=phase_pb2.ACTION_PHASE_FAILED if outcome.error else phase_pb2.ACTION_PHASE_SUCCEEDED,
        spec=task_definition_pb2.TraceSpec(interface=interfaces.typed(named.call.callee.interface)),
    )
    if outcome.started_at is not None:
        trace.start_time.CopyFrom(_timestamp(outcome.started_at))
    if outcome.ended_at is not None:
        trace.end_time.CopyFrom(_timestamp(outcome.ended_at))
    trace.outputs.output_uri = place_of_trace(caller, named, ERROR if outcome.error else OUTPUTS)
    action.trace.CopyFrom(trace)
    return action


def place(caller: TaskContext, named: NamedCall, file: str) -> str:
    """Address of a file in the directory of a call's action."""
    if not caller.run_base_dir:
        raise errors.RuntimeSystemError(
            "RunBaseMissing",
            f"action {caller.action.name} cannot call {named.call.callee.name}: the worker was "
            "started without "
            "_U_RUN_BASE; the backend that started it does not support children",
        )
    return storage.join(caller.run_base_dir, named.action.name, file)


def place_of_trace(caller: TaskContext, named: NamedCall, file: str) -> str:
    """Address of what came of a traced call: apart for each attempt of its caller, so that an attempt that was given
    up cannot write over what a later one has recorded."""
    return place(caller, named, f"{caller.attempt_number + 1}/{file}")


def _action(named: NamedCall, caller: TaskContext) -> Action:
    return Action(
        action_id=ids.action(named.action),
        parent_action_name=caller.action.name,
        input_uri=place(caller, named, INPUTS),
        run_output_base=caller.run_base_dir,
        group=named.call.group,
    )


def _identifier(
    task: TaskTemplate | Reference, spec: task_definition_pb2.TaskSpec
) -> task_definition_pb2.TaskIdentifier:
    if isinstance(task, Reference):
        return task.identifier
    own = spec.task_template.id
    return task_definition_pb2.TaskIdentifier(
        org=own.org, project=own.project, domain=own.domain, name=own.name, version=own.version
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
