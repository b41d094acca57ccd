"""Requests that bring actions in, to the engine's commands."""

import posixpath
from dataclasses import dataclass

from flyteidl2.actions import actions_service_pb2
from flyteidl2.task import run_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2

from flyte_server.domain.commands import NewAction, NewTrace
from flyte_server.domain.errors import Invalid
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Failure
from flyte_server.services.wire import ids, specs, statuses, times
from flyte_server.services.wire.ids import TaskName

OUTPUTS_FILE = "outputs.pb"
INPUTS_FILE = "inputs.pb"


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What a run wants of the cache."""

    overwrites: bool = False
    """All its actions execute although the cache has an entry, and replace the entry."""
    everywhere: bool = False
    """Results of other projects and domains count too."""

    @classmethod
    def of(cls, spec: run_pb2.RunSpec) -> "CacheUse":
        """As the run's specification says; without a word, results are looked for everywhere."""
        scope = spec.cache_config.cache_lookup_scope
        return cls(
            overwrites=spec.overwrite_cache or spec.cache_config.overwrite_cache,
            everywhere=scope != run_pb2.CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN,
        )


def root(
    task: TaskName,
    spec: task_definition_pb2.TaskSpec,
    *,
    input_uri: str,
    inputs_hash: str,
    output_base: str,
    queue: str,
    cache: CacheUse,
) -> NewAction:
    """The root action of a run."""
    body = spec.SerializeToString(deterministic=True)
    facts = specs.facts(body, task.name, cache_everywhere=cache.everywhere)
    return NewAction(
        name="a0",
        parent=None,
        task_name=task.name,
        task_version=task.version,
        short_name=facts.short_name,
        environment=facts.environment,
        spec=body,
        input_uri=input_uri,
        output_base=output_base,
        queue=queue,
        cache_key=specs.root_cache_key(spec.task_template, task.name, inputs_hash),
        overwrite_cache=cache.overwrites or facts.executes_always,
        policy=facts.policy,
    )


def child(message: actions_service_pb2.Action, task: TaskName, cache: CacheUse) -> NewAction:
    """A task that a running action calls."""
    body = message.task.spec.SerializeToString(deterministic=True)
    facts = specs.facts(body, task.name, cache_everywhere=cache.everywhere)
    key = message.task.cache_key.value if facts.cached else ""
    return NewAction(
        name=ids.name(message.action_id.name, where="action.action_id.name"),
        parent=_parent(message),
        task_name=task.name,
        task_version=task.version,
        short_name=facts.short_name,
        environment=facts.environment,
        group=message.group,
        queue=message.task.queue,
        spec=body,
        input_uri=_required(message.input_uri, "action.input_uri", "the full path of inputs.pb"),
        output_base=_required(
            message.run_output_base, "action.run_output_base", "the directory of the run's actions"
        ).rstrip("/"),
        cache_key=key or None,
        overwrite_cache=cache.overwrites or facts.executes_always,
        policy=facts.policy,
    )


def child_task(message: run_definition_pb2.TaskAction, run: ids.RunName) -> TaskName:
    """Name and version of the task that an action executes."""
    template = message.spec.task_template.id
    name = message.id.name or template.name
    if not name:
        raise Invalid("action.task.id.name is empty; send the task's name, 'environment.function'.")
    version = message.id.version or template.version
    return TaskName(run.project, run.domain, name, version)


def trace(message: actions_service_pb2.Action, failure: Failure | None, *, now: int) -> NewTrace:
    """A traced call that its caller already made."""
    made = message.trace
    started_at = times.micros(made.start_time) if made.HasField("start_time") else now
    return NewTrace(
        name=ids.name(message.action_id.name, where="action.action_id.name"),
        parent=_parent(message),
        group=message.group,
        function=made.name,
        spec=made.spec.SerializeToString(deterministic=True),
        phase=trace_phase(made),
        started_at=started_at,
        ended_at=times.micros(made.end_time) if made.HasField("end_time") else max(now, started_at),
        input_uri=message.input_uri,
        output_uri=made.outputs.output_uri
        or posixpath.join(trace_directory(message), OUTPUTS_FILE),
        failure=failure,
    )


def trace_phase(made: run_definition_pb2.TraceAction) -> Phase:
    """The phase that a trace is recorded with.

    Raises:
        Invalid: it has not ended; only ended calls are recorded.
    """
    phase = statuses.from_phase(made.phase, where="action.trace.phase")
    if phase not in {Phase.SUCCEEDED, Phase.FAILED}:
        raise Invalid(
            f"action.trace.phase is {phase.name}; a trace is recorded when it SUCCEEDED or FAILED."
        )
    return phase


def trace_directory(message: actions_service_pb2.Action) -> str:
    """Where a trace's files lie: inputs.pb, outputs.pb or error.pb, side by side."""
    beside = message.trace.outputs.output_uri or message.input_uri
    if beside:
        return posixpath.dirname(beside)
    return posixpath.join(message.run_output_base, message.action_id.name)


def _parent(message: actions_service_pb2.Action) -> str:
    parent = message.parent_action_name
    if not parent:
        raise Invalid(
            "action.parent_action_name is empty; runs are started with RunService.CreateRun."
        )
    return ids.name(parent, where="action.parent_action_name")


def _required(value: str, where: str, what: str) -> str:
    if not value:
        raise Invalid(f"{where} is empty; send {what}.")
    return value
