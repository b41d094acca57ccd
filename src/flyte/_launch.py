"""Sends a task to a control plane: code, inputs and settings, in as few requests as the protocol allows.

Loaded by `_run` when a run goes to a control plane, so that runs in the caller's process need no client.
"""

import asyncio
import logging
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _build, _session, errors
from flyte._client import ControlPlane
from flyte._client.data import DataLinks
from flyte._code import bundle, uploads
from flyte._code.bundle import Bundle
from flyte._context import CodeBundle
from flyte._earlier import EarlierRun, completed, earlier_run
from flyte._ids import ROOT_ACTION, ActionID, random_run_name
from flyte._images._cache import ImageCache
from flyte._interface import NativeInterface
from flyte._kit.absence import Absence
from flyte._options import RunOptions
from flyte._session import Address, Session
from flyte._task import TaskTemplate
from flyte._wire import ids, loading, origins, run_spec, task_spec
from flyte._wire.caching import keys
from flyte._wire.task_spec import SerializationContext
from flyte.config import _read
from flyte.remote import Run
from flyte.remote._data import LinkCarrier
from flyte.syncify import syncify

_log = logging.getLogger("flyte.run")
_RESTART_SECONDS = 30.0
_REQUEST = "flyte.org/request"
"""Annotation by which a client knows a run that it created itself, should the answer have been lost."""


@dataclass(frozen=True)
class DryRun:
    """What a run would have sent; made by `with_runcontext(dry_run=True)`, which sends nothing."""

    task_spec: task_definition_pb2.TaskSpec
    inputs: common_pb2.Inputs
    code_bundle: CodeBundle | None
    name: str = "dry-run"


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


@dataclass(frozen=True, slots=True)
class _Plan:
    """One run: what was asked for, and where it belongs."""

    task: TaskTemplate[..., Any, Any]
    options: RunOptions
    session: Session
    root: Path
    target: Target = field(init=False)

    def __post_init__(self) -> None:
        target = Target.of(self.options, self.session, self.task.interface)
        object.__setattr__(self, "target", target)

    @property
    def run(self) -> ActionID:
        return self.target.run

    @property
    def project(self) -> str:
        return self.run.project or ""

    @property
    def domain(self) -> str:
        return self.run.domain or ""


@syncify
async def submit(
    task: TaskTemplate[..., Any, Any], arguments: Mapping[str, Any], options: RunOptions
) -> Run | DryRun:
    """Start a run of `task`; returns as soon as the control plane has accepted it.

    Raises:
        RuntimeDataValidationError: an input does not fit its type.
        CodeBundleError, ModuleLoadError: the task's code cannot be bundled, or found again by a worker.
        InitializationError: no endpoint is configured.
        UnionRpcError: the control plane cannot be reached, or refuses.
    """
    session = _session.current()
    if options.debug:
        raise errors.DefinitionError(
            "debug=True is for runs in this process: add mode='local' (flyte run --local --debug); an action that "
            "failed on a control plane comes here with: flyte debug RUN ACTION"
        )
    plan = _Plan(task, options, session, _root(session, task))
    earlier = await earlier_run(options.earlier) if options.earlier else None
    # First what the caller can have got wrong: nothing is started or sent for a run that cannot be.
    inputs = await completed(
        task.interface,
        arguments,
        earlier.inputs if earlier else None,
        context=options.custom_context,
        limit=task.max_inline_io_bytes,
        carrier=None if options.dry_run else _carrier(plan),
    )
    if options.dry_run:
        made = await _bundle(options, plan.root)
        code = _code_bundle(made, f"<dry-run>/{made.filename}") if made else None
        return DryRun(_task_spec(plan, code), inputs, code)
    (address, plane), made, images = await asyncio.gather(
        session.link.open(session, start=True),
        _bundle(options, plan.root),
        _build.images_of(task, plan.root, options.copy_style),
    )
    code = _code_bundle(made, await _uploaded(plan, plane, address, made)) if made else None
    spec = _run_spec(plan, address)
    if earlier is not None:
        spec = await _related(earlier, plane, options, inputs, spec)
    return await create(plan.target, plane, _task_spec(plan, code, images), inputs, spec)


@syncify
async def resubmit(
    run_name: str, action_name: str, options: RunOptions, given: Mapping[str, Any]
) -> Run:
    """Start the task of an earlier run, or of one action of it, again: as it was stored, with its own code.

    Raises:
        ActionNotFoundError: there is no such run or action.
        TaskInputError, RuntimeDataValidationError: an input is unknown, or does not fit its type.
        UnionRpcError: the control plane cannot be reached, or refuses.
    """
    session = _session.current()
    earlier = await earlier_run(run_name, action_name)
    target = Target.of(options, session)
    run = target.run
    carrier = LinkCarrier(session, project=run.project, domain=run.domain)
    context = options.custom_context
    inputs = await completed(
        earlier.interface, given, earlier.inputs, context=context, carrier=carrier
    )
    plane = await session.control_plane()
    chosen = _chosen_spec(options, options.env_vars, options.annotations)
    spec = await _related(earlier, plane, options, inputs, chosen)
    return await create(target, plane, earlier.task, inputs, spec)


async def _related(
    earlier: EarlierRun,
    plane: ControlPlane,
    options: RunOptions,
    inputs: common_pb2.Inputs,
    chosen: run_pb2.RunSpec,
) -> run_pb2.RunSpec:
    """The settings of a run that goes back to an earlier one."""
    spec = run_spec.again(earlier.spec, chosen)
    forced = await earlier.forced(plane, options, inputs)
    recovers = options.recover_from is not None
    run_spec.relate(spec, earlier.run, recovers=recovers, forced=forced)
    return spec


def _root(session: Session, task: TaskTemplate[..., Any, Any]) -> Path:
    if session.root_dir is not None:
        return session.root_dir
    return bundle.code_root(loading.home(task))


def _carrier(plan: _Plan) -> LinkCarrier:
    return LinkCarrier(plan.session, project=plan.project, domain=plan.domain)


async def _bundle(options: RunOptions, root: Path) -> Bundle | None:
    style = options.copy_style
    if style not in ("loaded_modules", "all"):
        return None
    made = await asyncio.to_thread(bundle.build, style, root)
    if options.copy_bundle_to is not None:
        options.copy_bundle_to.mkdir(parents=True, exist_ok=True)
        (options.copy_bundle_to / made.filename).write_bytes(made.archive())
    return made


def _code_bundle(made: Bundle, native_url: str) -> CodeBundle:
    return CodeBundle(computed_version=made.version, tgz=native_url)


async def _uploaded(plan: _Plan, plane: ControlPlane, address: Address, made: Bundle) -> str:
    """Address under which tasks read the bundle; it is sent unless the control plane got it within a day."""
    # The embedded control plane may have another port next time, but its files stay.
    server = str(_read.flyte_home()) if address.embedded else address.endpoint
    destination = f"{server}\0{plan.project}\0{plan.domain}"
    known = uploads.recall(destination, made.filename)
    if known is not None:
        return known
    data = await asyncio.to_thread(made.archive)
    links = DataLinks(plane, plan.project, plan.domain, plan.run.org, direct=False)
    native_url = await links.upload([data], made.filename)
    uploads.remember(destination, made.filename, native_url)
    _log.debug(
        "code bundle %s (%d files, %d bytes) sent", made.filename, len(made.files), len(data)
    )
    return native_url


def _task_spec(
    plan: _Plan, code: CodeBundle | None, images: ImageCache | None = None
) -> task_definition_pb2.TaskSpec:
    context = SerializationContext(
        project=plan.project,
        domain=plan.domain,
        org=plan.run.org,
        version=plan.options.version or (code.computed_version if code else ""),
        code_bundle=code,
        image_cache=images,
        root_dir=plan.root,
    )
    spec = task_spec.task_spec(plan.task, context)
    if plan.options.disable_run_cache:
        keys.disable(spec.task_template)
    return spec


async def create(
    target: Target,
    plane: ControlPlane,
    spec: task_definition_pb2.TaskSpec,
    inputs: common_pb2.Inputs,
    options: run_pb2.RunSpec,
) -> Run:
    """Create a run of a task, whoever made its messages.

    Raises:
        DefinitionError: a run of the chosen name exists.
        UnionRpcError: the control plane cannot be reached, or refuses.
    """
    project = ids.project(target.run.project or "", target.run.domain or "", target.run.org)
    uploaded = await plane.dataproxy.upload_inputs(
        dataproxy_service_pb2.UploadInputsRequest(project_id=project, task_spec=spec, inputs=inputs)
    )
    keys.warn_of(spec.task_template, inputs)
    request = run_service_pb2.CreateRunRequest(
        run_id=ids.run(target.run),
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


def _run_spec(plan: _Plan, address: Address) -> run_pb2.RunSpec:
    options = plan.options
    # On one machine the run can be started again, with the code as it is then.
    home = origins.annotations(plan.task, plan.root) if address.embedded else {}
    return _chosen_spec(options, _environment(plan, address), {**home, **options.annotations})


def _chosen_spec(
    options: RunOptions, env_vars: Mapping[str, str], annotations: Mapping[str, str]
) -> run_pb2.RunSpec:
    return run_spec.run_spec(
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


def _environment(plan: _Plan, address: Address) -> dict[str, str]:
    """Variables for every task of the run: where modules are, how much to log, and the user's own."""
    session, options = plan.session, plan.options
    log_level = options.log_level if options.log_level is not None else session.log_level
    environment: dict[str, str] = {}
    if options.disable_run_cache:
        environment[keys.DISABLE_CACHE] = "1"
    if log_level is not None:
        environment["LOG_LEVEL"] = str(log_level)
    if session.sync_local_sys_paths:
        environment["_F_SYS_PATH"] = ":".join(bundle.relative_sys_path(plan.root))
    if address.embedded:
        # Tasks on this machine run in the interpreter of the caller, with the packages that it has.
        environment["VIRTUAL_ENV"] = sys.prefix
    return environment | dict(options.env_vars)
