"""Sends a task to a control plane: code, inputs and settings, in as few requests as the protocol allows.

Loaded by `_run` when a run goes to a control plane, so that runs in the caller's process need no client.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2

from flyte import _build, _creation, _session, _shipping, _venvs, errors
from flyte._client import ControlPlane
from flyte._code import bundle
from flyte._code.bundle import Bundle
from flyte._context import CodeBundle
from flyte._creation import Target
from flyte._earlier import EarlierRun, completed, earlier_run
from flyte._ids import ActionID
from flyte._images._cache import ImageCache
from flyte._options import RunOptions
from flyte._session import Address, Session
from flyte._shipping import Destination
from flyte._task import TaskTemplate
from flyte._wire import loading, origins, run_spec, task_spec
from flyte._wire.caching import keys
from flyte._wire.task_spec import SerializationContext
from flyte.remote import Run
from flyte.remote._data import LinkCarrier
from flyte.remote._tasks.details import LazyEntity, TaskDetails
from flyte.syncify import syncify


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
    _check_debug(options)
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
        made = await _bundle(plan)
        code = _shipping.unsent(made) if made else None
        return DryRun(_task_spec(plan, code), inputs, code)
    (address, plane), made, images = await asyncio.gather(
        session.link.open(session, start=True),
        _bundle(plan),
        _build.images_of(task, plan.root, options.copy_style),
    )
    code = await _sent(plan, plane, address, made) if made else None
    spec = _run_spec(plan, address)
    if earlier is not None:
        spec = await _related(earlier, plane, options, inputs, spec)
    return await _creation.create(plan.target, plane, _task_spec(plan, code, images), inputs, spec)


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
    chosen = _creation.chosen_spec(options, options.env_vars, options.annotations)
    spec = await _related(earlier, plane, options, inputs, chosen)
    return await _creation.create(target, plane, earlier.task, inputs, spec)


@syncify
async def submit_deployed(
    task: TaskDetails | LazyEntity,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    options: RunOptions,
) -> Run | DryRun:
    """Start a run of a deployed task; returns as soon as the control plane has accepted it.

    Raises:
        RemoteTaskNotFoundError: it is not deployed.
        RemoteTaskUsageError: inputs by position.
        TaskInputError, RuntimeDataValidationError: an input is missing or unknown, or does not fit its type.
        UnionRpcError: the control plane cannot be reached, or refuses.
    """
    session = _session.current()
    _check_debug(options)
    details = await task.fetch.aio() if isinstance(task, LazyEntity) else task
    earlier = await earlier_run(options.earlier) if options.earlier else None
    arguments = details.fitted(kwargs) if earlier else details.arguments(args, kwargs)
    target = Target.of(options, session, details.interface)
    run = target.run
    inputs = await completed(
        details.interface,
        arguments,
        earlier.inputs if earlier else None,
        context=options.custom_context,
        limit=details.max_inline_io_bytes,
        carrier=None
        if options.dry_run
        else LinkCarrier(session, project=run.project, domain=run.domain),
    )
    asked = _asked(details, options)
    if options.dry_run:
        return DryRun(details.pb2.spec, inputs, None)
    plane = await session.control_plane()
    queue = options.queue or details.queue
    chosen = _creation.chosen_spec(
        replace(options, queue=queue), _logging(options), options.annotations
    )
    spec = await _related(earlier, plane, options, inputs, chosen) if earlier else chosen
    return await _creation.create(target, plane, asked, inputs, spec)


def _check_debug(options: RunOptions) -> None:
    if options.debug:
        raise errors.DefinitionError(
            "debug=True is for runs in this process: add mode='local' (flyte run --local --debug); an action that "
            "failed on a control plane comes here with: flyte debug RUN ACTION"
        )


def _asked(
    details: TaskDetails, options: RunOptions
) -> task_definition_pb2.TaskSpec | task_definition_pb2.TaskIdentifier:
    """What is to run: the name of what is deployed, unless something of it is to be different."""
    if not details.overridden and not options.disable_run_cache:
        return details.pb2.task_id
    spec = task_definition_pb2.TaskSpec()
    spec.CopyFrom(details.pb2.spec)
    # Under the name that it is deployed under, whatever its author's client wrote.
    for part in ("project", "domain", "name", "version"):
        setattr(spec.task_template.id, part, getattr(details.pb2.task_id, part))
    if options.disable_run_cache:
        keys.disable(spec.task_template)
    return spec


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


async def _bundle(plan: _Plan) -> Bundle | None:
    return await _shipping.bundled(
        plan.options.copy_style,
        plan.root,
        include=[name for env in _venvs.declared(plan.task) for name in env.include],
        copy_to=plan.options.copy_bundle_to,
    )


async def _sent(plan: _Plan, plane: ControlPlane, address: Address, made: Bundle) -> CodeBundle:
    to = Destination(plane, address, plan.project, plan.domain, plan.run.org)
    return await _shipping.sent(made, to)


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


def _run_spec(plan: _Plan, address: Address) -> run_pb2.RunSpec:
    options = plan.options
    # On one machine the run can be started again, with the code as it is then.
    home = origins.annotations(plan.task, plan.root) if address.embedded else {}
    return _creation.chosen_spec(
        options, _environment(plan, address), {**home, **options.annotations}
    )


def _environment(plan: _Plan, address: Address) -> dict[str, str]:
    """Variables for every task of the run: where modules are, how much to log, and the user's own."""
    places = _shipping.places(plan.session, plan.root, embedded=address.embedded)
    return places | _logging(plan.options)


def _logging(options: RunOptions) -> dict[str, str]:
    """Variables for a task whose code has a place already: how much to log, and the user's own."""
    environment: dict[str, str] = {}
    session = _session.current()
    log_level = options.log_level if options.log_level is not None else session.log_level
    if options.disable_run_cache:
        environment[keys.DISABLE_CACHE] = "1"
    if log_level is not None:
        environment["LOG_LEVEL"] = str(log_level)
    return environment | dict(options.env_vars)
