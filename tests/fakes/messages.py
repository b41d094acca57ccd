"""Messages as a client sends them, with sensible values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flyteidl2.actions import actions_service_pb2
from flyteidl2.common import identifier_pb2, phase_pb2
from flyteidl2.core import (
    execution_pb2,
    literals_pb2,
    tasks_pb2,
)
from flyteidl2.core import (
    identifier_pb2 as core_identifier_pb2,
)
from flyteidl2.task import common_pb2, environment_pb2, task_definition_pb2
from flyteidl2.workflow import run_service_pb2

PROJECT = identifier_pb2.ProjectIdentifier(organization="acme", name="p", domain="development")
ARGS = (
    "a0",
    "--inputs",
    "{{.input}}",
    "--outputs-path",
    "{{.outputPrefix}}",
    "--name",
    "{{ $actionName }}",
)


def run_id(name: str = "r1") -> identifier_pb2.RunIdentifier:
    """A run's name."""
    return identifier_pb2.RunIdentifier(org="acme", project="p", domain="development", name=name)


def action_id(name: str = "a0", run: str = "r1") -> identifier_pb2.ActionIdentifier:
    """An action's name."""
    return identifier_pb2.ActionIdentifier(run=run_id(run), name=name)


def task_id(name: str = "env.main", version: str = "v1") -> task_definition_pb2.TaskIdentifier:
    """A deployed task's name."""
    return task_definition_pb2.TaskIdentifier(
        org="acme", project="p", domain="development", name=name, version=version
    )


def spec(
    name: str = "env.main",
    *,
    retries: int = 0,
    args: Sequence[str] = ARGS,
    cached: bool = False,
    env: dict[str, str] | None = None,
) -> task_definition_pb2.TaskSpec:
    """A Python task's spec."""
    return task_definition_pb2.TaskSpec(
        task_template=tasks_pb2.TaskTemplate(
            id=core_identifier_pb2.Identifier(name=name, version="v1"),
            type="python",
            metadata=tasks_pb2.TaskMetadata(
                discoverable=cached,
                discovery_version="1",
                retries=literals_pb2.RetryStrategy(retries=retries),
            ),
            container=tasks_pb2.Container(
                image="any",
                command=["a0"],
                args=args,
                env=[literals_pb2.KeyValuePair(key=k, value=v) for k, v in (env or {}).items()],
            ),
        ),
        short_name=name.rpartition(".")[2],
        environment=environment_pb2.Environment(name="env"),
    )


def inputs(**values: int) -> common_pb2.Inputs:
    """Integers by name."""
    return common_pb2.Inputs(literals=_literals(values))


def outputs(**values: int) -> common_pb2.Outputs:
    """Integers by name."""
    return common_pb2.Outputs(literals=_literals(values))


def create(name: str | None = "r1", **fields: Any) -> run_service_pb2.CreateRunRequest:
    """A run of `env.main`."""
    target: dict[str, Any] = {"run_id": run_id(name)} if name else {"project_id": PROJECT}
    if "task_id" not in fields:
        fields.setdefault("task_spec", spec())
    return run_service_pb2.CreateRunRequest(**target, **fields)


def child(
    name: str,
    base: Path | str,
    *,
    run: str = "r1",
    parent: str = "a0",
    cache_key: str = "",
    task: task_definition_pb2.TaskSpec | None = None,
) -> actions_service_pb2.EnqueueRequest:
    """A child task as a parent enqueues it."""
    made = actions_service_pb2.Action(
        action_id=action_id(name, run),
        parent_action_name=parent,
        input_uri=f"{base}/{name}/inputs.pb",
        run_output_base=str(base),
        group="g",
    )
    made.task.id.CopyFrom(task_id("env.child"))
    made.task.spec.CopyFrom(task or spec("env.child"))
    if cache_key:
        made.task.cache_key.value = cache_key
    return actions_service_pb2.EnqueueRequest(action=made)


def trace(
    name: str, base: Path | str, *, failed: bool = False, run: str = "r1"
) -> actions_service_pb2.EnqueueRequest:
    """A traced call that its parent made."""
    made = actions_service_pb2.Action(
        action_id=action_id(name, run),
        parent_action_name="a0",
        input_uri=f"{base}/{name}/inputs.pb",
        run_output_base=str(base),
    )
    made.trace.name = "step"
    made.trace.phase = phase_pb2.ACTION_PHASE_FAILED if failed else phase_pb2.ACTION_PHASE_SUCCEEDED
    made.trace.start_time.FromMicroseconds(1_750_000_000_000_000)
    made.trace.end_time.FromMicroseconds(1_750_000_000_500_000)
    made.trace.outputs.output_uri = f"{base}/{name}/outputs.pb"
    return actions_service_pb2.EnqueueRequest(action=made)


def error_document(code: str, message: str, *, recoverable: bool) -> bytes:
    """The content of an error.pb."""
    kinds = execution_pb2.ContainerError
    return execution_pb2.ErrorDocument(
        error=execution_pb2.ContainerError(
            code=code,
            message=message,
            kind=kinds.RECOVERABLE if recoverable else kinds.NON_RECOVERABLE,
            origin=execution_pb2.ExecutionError.USER,
        )
    ).SerializeToString()


def _literals(values: dict[str, int]) -> list[common_pb2.NamedLiteral]:
    return [
        common_pb2.NamedLiteral(
            name=name,
            value=literals_pb2.Literal(
                scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value))
            ),
        )
        for name, value in values.items()
    ]


SUCCEEDED = phase_pb2.ACTION_PHASE_SUCCEEDED
FAILED = phase_pb2.ACTION_PHASE_FAILED
RUNNING = phase_pb2.ACTION_PHASE_RUNNING
QUEUED = phase_pb2.ACTION_PHASE_QUEUED
ABORTED = phase_pb2.ACTION_PHASE_ABORTED
