"""How a run comes in: which task, with which inputs, under which name."""

import posixpath
from collections.abc import Collection
from dataclasses import replace

from flyteidl2.common import run_pb2 as common_run_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2
from flyteidl2.workflow import run_service_pb2

from flyte_server import blobs as files
from flyte_server.blobs import LocalBlobs
from flyte_server.domain import ids as names
from flyte_server.domain.commands import NewRun
from flyte_server.domain.errors import Invalid, NotFound
from flyte_server.domain.records import Action, Run
from flyte_server.engine.engine import Engine
from flyte_server.services.catalogue.projects import ProjectBook
from flyte_server.services.catalogue.settings import SettingsBook
from flyte_server.services.catalogue.tasks import TaskBook
from flyte_server.services.recovery.sources import Sources
from flyte_server.services.runs.triggered import Triggered
from flyte_server.services.wire import commands, identities, ids, notices, specs
from flyte_server.services.wire.ids import ProjectName, TaskName


class InputStore:
    """Keeps the inputs of root actions under the hash of their content: equal inputs are
    one file."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs

    async def save(
        self, project: ProjectName, inputs: common_pb2.Inputs, ignored: Collection[str]
    ) -> common_run_pb2.OffloadedInputData:
        """Write `inputs.pb`.

        Args:
            ignored: inputs that do not count for the cache.

        Returns:
            The directory of the file, and the hash of the values that count.
        """
        content = inputs.SerializeToString(deterministic=True)
        folder = f"uploads/{project.project}/{project.domain}/inputs/{files.digest(content)}"
        written = await self._blobs.write(f"{folder}/{commands.INPUTS_FILE}", content)
        return common_run_pb2.OffloadedInputData(
            uri=posixpath.dirname(written), inputs_hash=identities.input_hash(inputs, ignored)
        )


class Creation:
    """Turns a CreateRunRequest into one command of the engine."""

    def __init__(
        self,
        engine: Engine,
        blobs: LocalBlobs,
        tasks: TaskBook,
        *,
        inputs: InputStore,
        projects: ProjectBook,
        settings: SettingsBook,
        sources: Sources,
        triggered: Triggered,
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._tasks = tasks
        self._inputs = inputs
        self._projects = projects
        self._settings = settings
        self._sources = sources
        self._triggered = triggered

    async def create(
        self, request: run_service_pb2.CreateRunRequest, by: str = ""
    ) -> tuple[Run, Action]:
        """Create the run; returns after the commit.

        Args:
            by: subject of who asks for it.

        Raises:
            AlreadyExists: a run of this name exists.
            Conflict: its project is archived; or it recovers a run that has not ended, or whose outputs are gone.
        """
        trigger = None
        if request.WhichOneof("task") == "trigger_name":
            request, trigger = await self._triggered.asked(request)
        command = await self.command(request)
        return await self._engine.create_run(replace(command, created_by=by, trigger=trigger))

    async def command(self, request: run_service_pb2.CreateRunRequest) -> NewRun:
        """The run that a request with a task asks for, as a command of the engine; nothing is created.

        Raises:
            Invalid, NotFound: something in the request is wrong, or what it refers to is not there.
            Conflict: its project is archived; or it recovers a run that has not ended, or whose outputs are gone.
        """
        project, name = _target(request)
        task, spec = await self._task(request, project)
        run_spec = _run_spec(request)
        told = notices.of_run(run_spec)
        await self._settings.apply(run_spec, project.project, project.domain)
        inputs = await self._input_data(request, project, spec)
        input_uri = posixpath.join(inputs.uri, commands.INPUTS_FILE)
        recovery = await self._sources.recovery(run_spec, project, task.name, input_uri)
        root = commands.root(
            task,
            spec,
            input_uri=input_uri,
            inputs_hash=inputs.inputs_hash,
            output_base=self._output_base(run_spec, project, name),
            queue=run_spec.queue,
            cache=commands.CacheUse.of(run_spec),
        )
        await self._projects.ensure(project.project)
        return NewRun(
            project=project.project,
            domain=project.domain,
            name=name,
            spec=run_spec.SerializeToString(deterministic=True),
            labels=dict(run_spec.labels.values),
            source=request.source,
            max_concurrency=run_spec.max_action_concurrency,
            recovery=recovery,
            notices=told,
            root=root,
        )

    async def _task(
        self, request: run_service_pb2.CreateRunRequest, project: ProjectName
    ) -> tuple[TaskName, task_definition_pb2.TaskSpec]:
        kind = request.WhichOneof("task")
        if kind == "task_id":
            deployed = await self._tasks.deployed(ids.task(request.task_id))
            return deployed.name, deployed.spec
        if kind is None:
            raise Invalid("CreateRun has no task; send task_spec or task_id.")
        identity = request.task_spec.task_template.id
        if not identity.name:
            raise Invalid("task_spec.task_template.id.name is empty; send 'environment.function'.")
        name = TaskName(project.project, project.domain, identity.name, identity.version)
        return name, request.task_spec

    async def _input_data(
        self,
        request: run_service_pb2.CreateRunRequest,
        project: ProjectName,
        spec: task_definition_pb2.TaskSpec,
    ) -> common_run_pb2.OffloadedInputData:
        if request.WhichOneof("input_wrapper") != "offloaded_input_data":
            inputs = specs.with_defaults(request.inputs, spec.default_inputs)
            ignored = spec.task_template.metadata.cache_ignore_input_vars
            return await self._inputs.save(project, inputs, ignored)
        data = request.offloaded_input_data
        path = files.local_path(data.uri) / commands.INPUTS_FILE
        if not path.is_file():
            raise NotFound(
                f"There are no inputs at {path}; send them with DataProxyService.UploadInputs "
                "first."
            )
        return data

    def _output_base(self, run_spec: run_pb2.RunSpec, project: ProjectName, name: str) -> str:
        """Parent directory of the run's actions."""
        if run_spec.run_base_dir:
            return str(files.local_path(run_spec.run_base_dir) / name)
        return self._blobs.uri(project.project, project.domain, name)


def _target(request: run_service_pb2.CreateRunRequest) -> tuple[ProjectName, str]:
    kind = request.WhichOneof("id")
    if kind == "run_id":
        run = ids.run(request.run_id)
        return ProjectName(run.project, run.domain), run.name
    if kind == "project_id":
        return ids.project(request.project_id), names.random_run_name()
    raise Invalid("CreateRun says neither run_id nor project_id; send one of them.")


def _run_spec(request: run_service_pb2.CreateRunRequest) -> run_pb2.RunSpec:
    """The run's spec, with the start time that the request gives beside it."""
    spec = run_pb2.RunSpec()
    spec.CopyFrom(request.run_spec)
    if request.HasField("run_start_time") and not spec.HasField("run_start_time"):
        spec.run_start_time.CopyFrom(request.run_start_time)
    return spec
