"""Sends a task to a control plane: code, inputs and settings, in as few requests as the protocol allows.

Loaded by `_run` when a run goes to a control plane, so that runs in the caller's process need no client.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyteidl2.common import identifier_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session, errors
from flyte._client import ControlPlane
from flyte._client.data import DataLinks
from flyte._code import bundle, uploads
from flyte._code.bundle import Bundle
from flyte._context import CodeBundle
from flyte._ids import ActionID, random_run_name
from flyte._options import RunOptions
from flyte._session import Address, Session
from flyte._task import TaskTemplate
from flyte._wire import ids, loading, run_spec, task_spec, values
from flyte._wire.caching import keys
from flyte._wire.task_spec import SerializationContext
from flyte.config import _read
from flyte.remote import Run
from flyte.remote._large import LinkCarrier
from flyte.syncify import syncify

_log = logging.getLogger("flyte.run")


@dataclass(frozen=True)
class DryRun:
    """What a run would have sent; made by `with_runcontext(dry_run=True)`, which sends nothing."""

    task_spec: task_definition_pb2.TaskSpec
    inputs: common_pb2.Inputs
    code_bundle: CodeBundle | None
    name: str = "dry-run"


@dataclass(frozen=True, slots=True)
class _Plan:
    """One run: what was asked for, and where it belongs."""

    task: TaskTemplate[..., Any, Any]
    options: RunOptions
    session: Session
    root: Path
    run: ActionID = field(init=False)

    def __post_init__(self) -> None:
        options, session = self.options, self.session
        run = ActionID(
            name="a0",
            # Chosen here, so that a request whose answer was lost can be sent again and makes no second run.
            run_name=options.name or random_run_name(),
            project=options.project or _session.current_project(),
            domain=options.domain or _session.current_domain(),
            org=session.org,
        )
        object.__setattr__(self, "run", run)

    @property
    def project(self) -> str:
        return self.run.project or ""

    @property
    def domain(self) -> str:
        return self.run.domain or ""

    @property
    def project_id(self) -> identifier_pb2.ProjectIdentifier:
        return ids.project(self.project, self.domain, self.run.org)


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
    plan = _Plan(task, options, session, _root(session, task))
    # First what the caller can have got wrong: nothing is started or sent for a run that cannot be.
    inputs = await values.inputs(
        task.interface,
        arguments,
        context=options.custom_context,
        limit=task.max_inline_io_bytes,
        carrier=None if options.dry_run else _carrier(plan),
    )
    if options.dry_run:
        made = await _bundle(options, plan.root)
        code = _code_bundle(made, f"<dry-run>/{made.filename}") if made else None
        return DryRun(_task_spec(plan, code), inputs, code)
    (address, plane), made = await asyncio.gather(
        session.link.open(session, start=True), _bundle(options, plan.root)
    )
    code = _code_bundle(made, await _uploaded(plan, plane, address, made)) if made else None
    return await _create(plan, plane, address, _task_spec(plan, code), inputs)


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


def _task_spec(plan: _Plan, code: CodeBundle | None) -> task_definition_pb2.TaskSpec:
    context = SerializationContext(
        project=plan.project,
        domain=plan.domain,
        org=plan.run.org,
        version=plan.options.version or (code.computed_version if code else ""),
        code_bundle=code,
        root_dir=plan.root,
    )
    spec = task_spec.task_spec(plan.task, context)
    if plan.options.disable_run_cache:
        keys.disable(spec.task_template)
    return spec


async def _create(
    plan: _Plan,
    plane: ControlPlane,
    address: Address,
    spec: task_definition_pb2.TaskSpec,
    inputs: common_pb2.Inputs,
) -> Run:
    uploaded = await plane.dataproxy.upload_inputs(
        dataproxy_service_pb2.UploadInputsRequest(
            project_id=plan.project_id,
            task_spec=spec,
            inputs=inputs,
        )
    )
    keys.warn_of(spec.task_template, inputs)
    request = run_service_pb2.CreateRunRequest(
        run_id=ids.run(plan.run),
        task_spec=spec,
        offloaded_input_data=uploaded.offloaded_input_data,
        run_spec=_run_spec(plan, address),
        source=run_definition_pb2.RUN_SOURCE_CLI,
    )
    if plan.options.run_start_time is not None:
        request.run_start_time.FromDatetime(plan.options.run_start_time)
    return Run(await _created(plan, plane, request), plan.task.interface)


async def _created(
    plan: _Plan, plane: ControlPlane, request: run_service_pb2.CreateRunRequest
) -> run_definition_pb2.Run:
    try:
        return (await plane.runs.create_run(request)).run
    except errors.UnionRpcError as error:
        if error.code == "already_exists":
            if not plan.options.name:  # nobody else draws this name: an earlier try has arrived
                return await _found(plan, plane)
            raise errors.DefinitionError(
                f"a run named {plan.options.name!r} exists already in {plan.project}/{plan.domain}; "
                "choose another name, or none"
            ) from error
        raise


async def _found(plan: _Plan, plane: ControlPlane) -> run_definition_pb2.Run:
    request = run_service_pb2.GetRunDetailsRequest(run_id=ids.run(plan.run))
    action = (await plane.runs.get_run_details(request)).details.action
    return run_definition_pb2.Run(
        action=run_definition_pb2.Action(
            id=action.id, metadata=action.metadata, status=action.status
        )
    )


def _run_spec(plan: _Plan, address: Address) -> Any:
    options = plan.options
    return run_spec.run_spec(
        env_vars=_environment(plan, address),
        labels=options.labels,
        annotations=options.annotations,
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
