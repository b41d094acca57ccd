"""The last step of every start: a run of a task is created on a control plane, from messages."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session, errors
from flyte._client import ControlPlane
from flyte._ids import ROOT_ACTION, ActionID, random_run_name
from flyte._interface import NativeInterface
from flyte._kit.absence import Absence
from flyte._options import RunOptions
from flyte._session import Session
from flyte._wire import ids, run_spec
from flyte._wire.caching import keys
from flyte._wire.notifications import messages as notifications
from flyte.remote import Run

_log = logging.getLogger("flyte.run")
_RESTART_SECONDS = 30.0
_REQUEST = "flyte.org/request"
"""Annotation by which a client knows a run that it created itself, should the answer have been lost."""


@dataclass(frozen=True, slots=True)
class Target:
    """A run that is to be created."""

    run: ActionID
    is_name_chosen: bool
    """Else the name was drawn, so that nobody else has it."""
    interface: NativeInterface | None
    """The task's declared types, where they are known."""

    @classmethod
    def of(
        cls, options: RunOptions, session: Session, interface: NativeInterface | None = None
    ) -> "Target":
        """The target that the options name."""
        run = ActionID(
            name=ROOT_ACTION,
            # Chosen here, so that a request whose answer was lost can be sent again and makes no second run.
            run_name=options.name or random_run_name(),
            project=options.project or _session.current_project(),
            domain=options.domain or _session.current_domain(),
            org=session.org,
        )
        return cls(run, bool(options.name), interface)


async def create(
    target: Target,
    plane: ControlPlane,
    task: task_definition_pb2.TaskSpec | task_definition_pb2.TaskIdentifier,
    inputs: common_pb2.Inputs,
    options: run_pb2.RunSpec,
) -> Run:
    """Create a run of a task, whoever made its messages.

    Args:
        target: the run.
        plane: the control plane.
        task: the task's specification, or the name of a deployed one.
        inputs: its inputs.
        options: settings of the run.

    Raises:
        DefinitionError: a run of the chosen name exists.
        UnionRpcError: the control plane cannot be reached, or refuses.
    """
    project = ids.project(target.run.project or "", target.run.domain or "", target.run.org)
    named = task if isinstance(task, task_definition_pb2.TaskIdentifier) else None
    spec = None if isinstance(task, task_definition_pb2.TaskIdentifier) else task
    uploaded = await plane.dataproxy.upload_inputs(
        dataproxy_service_pb2.UploadInputsRequest(
            project_id=project, task_id=named, task_spec=spec, inputs=inputs
        )
    )
    if spec is not None:
        keys.warn_of(spec.task_template, inputs)
    request = run_service_pb2.CreateRunRequest(
        run_id=ids.run(target.run),
        task_id=named,
        task_spec=spec,
        offloaded_input_data=uploaded.offloaded_input_data,
        run_spec=options,
        source=run_definition_pb2.RUN_SOURCE_CLI,
    )
    if options.HasField("run_start_time"):
        request.run_start_time.CopyFrom(options.run_start_time)
    # The inputs have arrived, so somebody is there: should it be killed now, it is back in a moment.
    with _session.waiting_out(
        Absence("the control plane", say=_log.warning, limit_seconds=_RESTART_SECONDS)
    ):
        return Run(await _created(target, plane, request), target.interface)


async def _created(
    target: Target, plane: ControlPlane, request: run_service_pb2.CreateRunRequest
) -> run_definition_pb2.Run:
    mark = request.run_spec.annotations.values[_REQUEST] = secrets.token_hex(8)
    try:
        return (await plane.runs.create_run(request)).run
    except errors.UnionRpcError as error:
        if error.code != "already_exists":
            raise
        run = target.run
        found = await _found(run, plane)
        # An earlier try has arrived and its answer was lost; nobody else draws a drawn name, or knows the mark.
        if target.is_name_chosen and found.run_spec.annotations.values[_REQUEST] != mark:
            raise errors.DefinitionError(
                f"a run named {run.run_name!r} exists already in {run.project}/{run.domain}; "
                "choose another name, or none"
            ) from error
        action = found.action
        return run_definition_pb2.Run(
            action=run_definition_pb2.Action(
                id=action.id, metadata=action.metadata, status=action.status
            )
        )


async def _found(run: ActionID, plane: ControlPlane) -> run_definition_pb2.RunDetails:
    request = run_service_pb2.GetRunDetailsRequest(run_id=ids.run(run))
    return (await plane.runs.get_run_details(request)).details


def chosen_spec(
    options: RunOptions, env_vars: Mapping[str, str], annotations: Mapping[str, str]
) -> run_pb2.RunSpec:
    """The settings of a run, as its options say, with these variables and annotations."""
    spec = run_spec.run_spec(
        env_vars=env_vars,
        labels=options.labels,
        annotations=annotations,
        overwrite_cache=options.overwrite_cache,
        interruptible=options.interruptible,
        queue=options.queue,
        max_action_concurrency=options.max_action_concurrency,
        raw_data_path=options.raw_data_path,
        run_base_dir=options.run_base_dir,
        service_account=options.service_account,
        cache_lookup_scope=options.cache_lookup_scope,
        run_start_time=options.run_start_time,
    )
    notifications.tell(spec, options.notifications)
    return spec
