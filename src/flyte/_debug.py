"""An action of a control plane, once more in this process: with its inputs, its code, and what its calls gave then.

Nothing is written to the run: what the task does is kept in a folder that goes with this process.
"""

import asyncio
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from flyteidl2.task import common_pb2, run_pb2

from flyte import _ids, _session, errors
from flyte._client import ControlPlane
from flyte._client.data import DataLinks
from flyte._context import RawDataPath, TaskContext
from flyte._ids import ActionID
from flyte._kit import aio
from flyte._phases import ActionPhase
from flyte._runtime import arguments, bundles, loader
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.caching.local import LocalCache
from flyte._runtime.inprocess.boundary import InMemory
from flyte._runtime.inprocess.recorded import Recorded
from flyte._runtime.local import LocalRuntime
from flyte._task import TaskTemplate
from flyte._wire import values
from flyte.remote import ActionDetails, RunDetails
from flyte.remote._data import LinkCarrier
from flyte.syncify import syncify

_INTERPRETER = "VIRTUAL_ENV"
_VENV = "venv:"
_OURS = str(Path(_ids.__file__).parent)
_SUCCEEDED = (ActionPhase.SUCCEEDED, ActionPhase.RECOVERED)
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Surroundings:
    """In which Python an action ran."""

    prefix: str
    """Its `sys.prefix`; empty if nobody knows."""
    python: str
    """Its version; empty if nobody knows."""
    packages: Mapping[str, str]
    """Versions by name; empty if nobody knows."""

    def differences(self) -> list[str]:
        """What is other here, as sentences; empty if all is the same, as far as anybody knows."""
        if not self.prefix or self.prefix == sys.prefix:
            return []
        told = [f"it ran in the Python environment {self.prefix}, and this one is {sys.prefix}"]
        here = platform.python_version()
        if self.python and self.python != here:
            told.append(f"its Python was {self.python}, and this one is {here}")
        if others := _others(self.packages):
            rest = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
            told.append(f"packages differ: {', '.join(others[:_MOST_NAMED])}{rest}")
        return told

    @property
    def command(self) -> str | None:
        """The `flyte` of that environment, if this machine has it."""
        command = Path(self.prefix, "bin", "flyte")
        return str(command) if self.prefix and command.exists() else None


def _others(packages: Mapping[str, str]) -> list[str]:
    """Packages that are here in another version than there, or not at all."""
    found = list[str]()
    for name, version in sorted(packages.items()):
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = "missing"
        if here != version:
            found.append(f"{name} {version} (here {here})")
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """An action that can be run once more."""

    details: ActionDetails
    attempt: int
    """The number of the attempt that is looked at, from 1."""
    inputs: common_pb2.Inputs
    arguments: TaskArguments
    env_vars: Mapping[str, str]
    folder: Path
    """Where its code is, and what it writes now."""
    surroundings: Surroundings

    @property
    def code(self) -> Path:
        """The folder with the code bundle's files."""
        return self.folder / "code"

    def run(self) -> Any:
        """Run it in the calling thread.

        Raises:
            ModuleLoadError: its module cannot be imported here.
            BaseRuntimeError: what the task raised; `cause` gives the exception itself.
        """
        task = self._load()
        session = _session.current()
        action = self.arguments.action
        boundary = InMemory()
        boundary.reader = LinkCarrier(
            session, project=action.project or "", domain=action.domain or ""
        )
        runtime = LocalRuntime(
            action,
            boundary=boundary,
            cache=LocalCache(disabled=True),
            steps=Recorded(action.name, lambda name: aio.background().wait(self._outputs(name))),
            debugged=True,
        )
        return runtime.run_again(task, self.inputs, self._context(task), self.env_vars)

    def _load(self) -> TaskTemplate:
        bundle = self.arguments.code_bundle
        if bundle is not None and bundle.pkl is not None:
            return loader.unpickle((self.folder / "task.pkl").read_bytes(), bundle.pkl)
        bundles.first_on_path(self.code, self.arguments.sys_path)
        return loader.resolve(self.arguments.resolver, self.arguments.loader_args)

    def _context(self, task: TaskTemplate) -> TaskContext:
        base = str(self.folder / "run")
        return TaskContext(
            action=self.arguments.action,
            version=self.arguments.version,
            raw_data_path=RawDataPath(f"{base}/raw"),
            output_path=base,
            run_base_dir=base,
            mode="local",
            custom_context=values.context(self.inputs),
            run_start_time=self.arguments.run_start_time,
            disable_run_cache=True,
            task_name=task.name,
            attempt_number=self.attempt - 1,
        )

    async def _outputs(self, name: str) -> common_pb2.Outputs | None:
        """What another action of the run gave; None unless it succeeded."""
        try:
            details = await ActionDetails.get.aio(run_name=self.details.run_name, name=name)
        except errors.ActionNotFoundError:
            return None
        if details.phase not in _SUCCEEDED:
            return None
        return (await details.load_data()).outputs


@syncify
async def case(run_name: str, action_name: str, folder: Path, attempt: int | None = None) -> Case:
    """Fetch an action: its inputs as they are stored, and its code as it ran.

    Args:
        run_name: its run.
        action_name: its name.
        folder: an empty directory for code and results.
        attempt: which attempt; None: the last one.

    Raises:
        ActionNotFoundError: there is no such run, action or attempt.
        DefinitionError: it is a traced call, or its code came with an image.
    """
    details = await ActionDetails.get.aio(run_name=run_name, name=action_name)
    if details.pb2.WhichOneof("spec") != "task":
        raise errors.DefinitionError(
            f"action {action_name} of run {run_name} is a traced call; debug its caller: "
            f"flyte debug {run_name} {details.parent_name}"
        )
    if attempt is not None and not 1 <= attempt <= details.attempts:
        raise errors.ActionNotFoundError(
            f"action {action_name} of run {run_name} has no attempt {attempt}: there were {details.attempts}"
        )
    run = await RunDetails.get.aio(run_name)
    data = await details.load_data()
    env_vars = _variables(details, run.pb2.run_spec)
    parsed = _arguments(details, data.inputs_uri, env_vars, run)
    plane = await _session.current().control_plane()
    await _fetch_code(parsed, plane, folder, f"{run_name}/{action_name}")
    return Case(
        details=details,
        attempt=attempt or details.attempts,
        inputs=data.inputs,
        arguments=parsed,
        env_vars=env_vars,
        folder=folder,
        surroundings=await _surroundings(details, env_vars, plane),
    )


def _variables(details: ActionDetails, spec: run_pb2.RunSpec) -> dict[str, str]:
    """What task and run chose, the latter over the former."""
    task = {pair.key: pair.value for pair in details.pb2.task.task_template.container.env}
    return task | {pair.key: pair.value for pair in spec.envs.values}


def _arguments(
    details: ActionDetails, inputs_uri: str, env_vars: Mapping[str, str], run: RunDetails
) -> TaskArguments:
    """The command line of the action, as a worker reads it."""
    identity = details.pb2.id
    words = [
        word.replace("{{.input}}", inputs_uri).replace("{{.outputPrefix}}", "not-written")
        for word in details.pb2.task.task_template.container.args
    ]
    parsed = arguments.parse(
        words, {**env_vars, "RUN_NAME": identity.run.name, "ACTION_NAME": identity.name}
    )
    action = ActionID(
        name=identity.name,
        run_name=identity.run.name,
        project=identity.run.project,
        domain=identity.run.domain,
        org=identity.run.org,
    )
    began = run.pb2.action.status.start_time.ToDatetime(tzinfo=UTC)
    return replace(parsed, action=action, run_start_time=began)


async def _fetch_code(parsed: TaskArguments, plane: ControlPlane, folder: Path, which: str) -> None:
    bundle = parsed.code_bundle
    address = None if bundle is None else bundle.tgz or bundle.pkl
    if bundle is None or address is None:
        raise errors.DefinitionError(
            f"the code of {which} came with its image and cannot be fetched; check it out yourself, and debug it with: "
            "flyte run --local --debug FILE TASK"
        )
    action = parsed.action
    links = DataLinks(plane, action.project or "", action.domain or "", action.org)
    archive = folder / ("task.pkl" if bundle.pkl else "code.tar.gz")
    await links.download(address, archive)
    if bundle.tgz:
        bundles.extract(archive.read_bytes(), folder / "code", address)


async def _surroundings(
    details: ActionDetails, env_vars: Mapping[str, str], plane: ControlPlane
) -> Surroundings:
    """In which Python it ran: that of its image, or that of whoever started the run."""
    image = details.pb2.task.task_template.container.image
    if not image.startswith(_VENV):
        return await asyncio.to_thread(_of_prefix, env_vars.get(_INTERPRETER, ""))
    told = await plane.own("EnvironmentService", "List", {})
    for each in told["environments"]:
        if each["image"] == image:
            return Surroundings(each["path"], each["python"], each["packages"])
    return Surroundings(image, "", {})


def _of_prefix(prefix: str) -> Surroundings:
    """What an environment of this machine has."""
    try:
        lines = Path(prefix, "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return Surroundings(prefix, "", {})
    entries = {
        name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)
    }
    places = [str(place) for place in Path(prefix).glob("lib/python*/site-packages")]
    packages = {each.metadata["Name"]: each.version for each in metadata.distributions(path=places)}
    return Surroundings(prefix, entries.get("version_info") or entries.get("version", ""), packages)


def users_frames(raised: BaseException) -> TracebackType | None:
    """The traceback from the user's first frame on; all of it if there is none."""
    frames = raised.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames or raised.__traceback__
