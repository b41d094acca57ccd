"""`flyte.deploy`: tasks become known to a control plane under a version, with their code and their images.

A version is a hash of everything that is deployed together, unless one is given, and it never changes: the same content
is deployed once, other content under the same version is refused.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flyteidl2.core import literals_pb2
from flyteidl2.task import task_definition_pb2, task_service_pb2

from flyte import _build, _deployment, _session, _shipping, errors
from flyte._client import ControlPlane
from flyte._code import bundle
from flyte._code.bundle import Bundle
from flyte._context import CodeBundle
from flyte._deployment import DeployedEnvironment, DeployedTask, Deployment, State
from flyte._environment import Environment
from flyte._images._cache import ImageCache
from flyte._options import CopyFiles
from flyte._session import Session
from flyte._shipping import Destination
from flyte._task import TaskTemplate
from flyte._task_environment import TaskEnvironment
from flyte._wire import loading, task_spec
from flyte._wire.deployed import contents
from flyte._wire.task_spec import SerializationContext
from flyte._wire.triggers import messages
from flyte.syncify import syncify

_AT_ONCE = 8
"""How many tasks are sent at the same time."""
_SHOWN = 10
"""How many failures a message names."""

TaskSpec = task_definition_pb2.TaskSpec
Trigger = task_definition_pb2.TaskTrigger


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one call of `deploy` is about."""

    envs: Sequence[TaskEnvironment]
    session: Session
    root: Path
    copy_style: CopyFiles
    made: Bundle | None
    """The code; None: the images have it."""
    triggers: dict[str, list[Trigger]]
    """By the full name of their task."""
    version: str

    @property
    def tasks(self) -> list[TaskTemplate[..., Any, Any]]:
        return [task for env in self.envs for task in env.tasks.values()]

    def specs(self, code: CodeBundle | None, images: ImageCache | None) -> dict[str, TaskSpec]:
        """The specification of each task, by its full name."""
        context = SerializationContext(
            project=_session.current_project(),
            domain=_session.current_domain(),
            org=self.session.org,
            version=self.version,
            code_bundle=code,
            image_cache=images,
            root_dir=self.root,
        )
        places = _shipping.places(self.session, self.root, embedded=self.session.embedded)
        return {
            task.name: _placed(task_spec.task_spec(task, context), places) for task in self.tasks
        }


@syncify
async def deploy(
    *envs: Environment,
    dry_run: bool = False,
    version: str | None = None,
    interactive_mode: bool | None = None,
    copy_style: CopyFiles = "loaded_modules",
    dryrun: bool | None = None,
) -> list[Deployment]:
    """Deploy environments, and all that they depend on, each once.

    Deployed tasks are started by name (`flyte run deployed-task`, `flyte.remote.Task.get`), also from other tasks and
    by triggers.  What is deployed does not change when the code is edited: runs of a version run its code.

    Args:
        envs: the environments.
        dry_run: say what would be deployed, and send nothing.
        version: the version; by default a hash of the code and of everything that the tasks say.
        interactive_mode: not supported in this version; put the tasks into a file.
        copy_style: which code is sent along: `loaded_modules`, `all`, `custom` (what environments name in `include`),
            or `none`, if the images have it (then a version is needed).
        dryrun: an older name of `dry_run`.

    Returns:
        For each environment that was given, what it and its dependencies have become.

    Raises:
        DeploymentError: the environments do not fit together, the version exists with other content, or some tasks
            could not be deployed; the message says which, and why.  Deploying again completes it.
        ImageBuildError: an image cannot be made; nothing was deployed.
        CodeBundleError, ModuleLoadError: the code cannot be bundled, or found again by a worker.
        InitializationError: no endpoint is configured.

    Example:
        >>> deployments = flyte.deploy(env)
        >>> deployments[0].table_repr()
    """
    _check(envs, version, interactive_mode, copy_style)
    plan = await _planned(envs, version, copy_style)
    if dry_run or dryrun:
        code = _shipping.unsent(plan.made) if plan.made else None
        specs = plan.specs(code, None)
        return _deployments(envs, plan, specs, dict.fromkeys(specs, "planned"))
    address, plane = await plan.session.link.open(plan.session, start=True)
    project, domain = _session.current_project(), _session.current_domain()
    images = await _build.images_to_deploy(plan.envs, plan.root, copy_style)
    to = Destination(plane, address, project, domain, plan.session.org)
    code = await _shipping.sent(plan.made, to) if plan.made else None
    specs = plan.specs(code, images)
    states = await _sent(plane, plan, specs)
    return _deployments(envs, plan, specs, states)


def _check(
    envs: Sequence[Any], version: str | None, interactive: bool | None, style: CopyFiles
) -> None:
    if not envs:
        raise errors.DeploymentError("deploy() has no environment; pass at least one")
    for env in envs:
        if not isinstance(env, Environment):
            raise errors.DeploymentError(
                f"deploy() takes environments, got {type(env).__name__}: {env!r}; pass a flyte.TaskEnvironment"
            )
    if interactive:
        raise errors.DeploymentError(
            "deploy(interactive_mode=True) is not supported in this version; put the tasks into a file"
        )
    if version is not None and not version.strip():
        raise errors.DeploymentError(
            "deploy(version='') names no version; leave it out, or name one"
        )
    if style == "none" and not version:
        raise errors.DeploymentError(
            "copy_style='none' sends no code, so the version cannot be computed from it; pass version=…"
        )


async def _planned(
    envs: Sequence[Environment], version: str | None, copy_style: CopyFiles
) -> _Plan:
    together = _deployment.together(envs)
    session = _session.current()
    tasks = [task for env in together for task in env.tasks.values()]
    if not tasks:
        names = ", ".join(env.name for env in together)
        raise errors.DeploymentError(
            f"there is no task in {names}; decorate functions with @env.task"
        )
    root = session.root_dir or bundle.code_root(loading.home(tasks[0]))
    include = [name for env in together for name in env.include]
    made = await _shipping.bundled(copy_style, root, include=include)
    triggers = {task.name: await messages.of_task(task) for task in tasks}
    plan = _Plan(together, session, root, copy_style, made, triggers, version or "")
    return plan if version else _versioned(plan)


def _versioned(plan: _Plan) -> _Plan:
    """The plan with the version that follows from its content, the same for a dry run and for a real one."""
    code = _shipping.unsent(plan.made) if plan.made else None
    extras = [
        f"{name}\0".encode() + trigger.SerializeToString(deterministic=True)
        for name, triggers in plan.triggers.items()
        for trigger in triggers
    ]
    if plan.made is not None:
        extras.append(plan.made.version.encode())
    version = contents.version(plan.specs(code, None).values(), extras)
    return replace(plan, version=version)


def _placed(spec: TaskSpec, places: dict[str, str]) -> TaskSpec:
    """The specification with what a run of local code would say: whoever starts it has no code to know that from."""
    template = spec.task_template
    if template.HasField("container"):
        own = {pair.key for pair in template.container.env}
        template.container.env.extend(
            literals_pb2.KeyValuePair(key=name, value=value)
            for name, value in places.items()
            if name not in own
        )
    return spec


async def _sent(plane: ControlPlane, plan: _Plan, specs: dict[str, TaskSpec]) -> dict[str, State]:
    """Deploy every task; what fails does not keep the others from being deployed.

    Raises:
        DeploymentError: naming what was not deployed.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, spec: TaskSpec) -> State | errors.BaseRuntimeError:
        async with slots:
            try:
                return await _deployed(plane, spec, plan.triggers.get(name, []))
            except errors.BaseRuntimeError as error:
                return error

    answers = await asyncio.gather(*(one(name, spec) for name, spec in specs.items()))
    outcome = dict(zip(specs, answers, strict=True))
    failures = {name: answer for name, answer in outcome.items() if not isinstance(answer, str)}
    if failures:
        raise _partial(plan.version, len(outcome), failures) from next(iter(failures.values()))
    return {name: answer for name, answer in outcome.items() if isinstance(answer, str)}


async def _deployed(plane: ControlPlane, spec: TaskSpec, triggers: list[Trigger]) -> State:
    own = spec.task_template.id
    identifier = task_definition_pb2.TaskIdentifier(
        org=own.org, project=own.project, domain=own.domain, name=own.name, version=own.version
    )
    request = task_service_pb2.DeployTaskRequest(task_id=identifier, spec=spec, triggers=triggers)
    try:
        await plane.tasks.deploy_task(request)
    except errors.UnionRpcError as error:
        if error.code != "already_exists":
            raise
        await _check_same(plane, identifier, spec, error)
        return "unchanged"
    return "deployed"


async def _check_same(
    plane: ControlPlane,
    identifier: task_definition_pb2.TaskIdentifier,
    spec: TaskSpec,
    refused: errors.UnionRpcError,
) -> None:
    asked = task_service_pb2.GetTaskDetailsRequest(task_id=identifier)
    there = (await plane.tasks.get_task_details(asked)).details.spec
    if not contents.same(there, spec):
        raise errors.DeploymentError(
            f"version {identifier.version!r} exists with other content, and a version never changes; deploy under "
            "another version, or leave it out to have one made of the content"
        ) from refused


def _partial(
    version: str, number: int, failures: dict[str, errors.BaseRuntimeError]
) -> errors.DeploymentError:
    shown = [f"{name}: {error}" for name, error in list(failures.items())[:_SHOWN]]
    if len(failures) > _SHOWN:
        shown.append(f"and {len(failures) - _SHOWN} more")
    done = number - len(failures)
    listed = "".join(f"\n  {line}" for line in shown)
    return errors.DeploymentError(
        f"{len(failures)} of {number} tasks were not deployed as version {version} ({done} were):{listed}\n"
        "Correct the cause and deploy again: what is there stays, the rest is added"
    )


def _deployments(
    envs: Sequence[Environment],
    plan: _Plan,
    specs: dict[str, TaskSpec],
    states: "dict[str, State]",
) -> list[Deployment]:
    def entity(name: str) -> DeployedTask:
        triggers = tuple(trigger.name for trigger in plan.triggers.get(name, ()))
        return DeployedTask(name, plan.version, states[name], specs[name], triggers)

    made = {
        env.name: DeployedEnvironment(env, tuple(entity(name) for name in env.tasks))
        for env in plan.envs
    }
    return [Deployment({name: made[name] for name in _deployment.closure(env)}) for env in envs]
