"""TaskService: deployed tasks and their versions."""

from dataclasses import dataclass
from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.task import task_definition_pb2, task_service_connect, task_service_pb2

from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Invalid, NotFound
from flyte_server.domain.records import TaskVersion
from flyte_server.services import listing
from flyte_server.services.catalogue.projects import ProjectBook
from flyte_server.services.wire import ids, times
from flyte_server.services.wire import specs as wire_specs
from flyte_server.services.wire.actions import Views
from flyte_server.services.wire.ids import TaskName
from flyte_server.store.catalogue import specs, tasks
from flyte_server.store.catalogue.tasks import TaskQuery
from flyte_server.store.database import Database

Context = RequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed task, with its spec."""

    name: TaskName
    row: TaskVersion
    spec: task_definition_pb2.TaskSpec


class TaskBook:
    """Finds deployed tasks; refuses with a sentence if there is none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deployed(self, name: TaskName) -> Deployed:
        """A version of a task.

        Raises:
            Invalid: the name has no version.
            NotFound: that version was never deployed.
        """
        if not name.version:
            raise Invalid(
                f"task_id.version of {name.name!r} is empty; send a deployed version "
                "(TaskService.ListVersions lists them)."
            )
        row = await self._database.read(tasks.load, *name)
        if row is None:
            raise NotFound(
                f"Task {name.name!r} has no version {name.version!r} in project {name.project!r}, "
                f"domain {name.domain!r}; deploy it with 'flyte deploy'."
            )
        content = await self._database.read(specs.load, row.spec_digest)
        return Deployed(name, row, task_definition_pb2.TaskSpec.FromString(content))


class TaskService(task_service_connect.TaskService):
    """Deploy and read tasks."""

    def __init__(
        self,
        database: Database,
        book: TaskBook,
        projects: ProjectBook,
        *,
        clock: Clock,
        views: Views,
    ) -> None:
        self._database = database
        self._book = book
        self._projects = projects
        self._clock = clock
        self._views = views

    async def deploy_task(
        self, request: task_service_pb2.DeployTaskRequest, ctx: Context
    ) -> task_service_pb2.DeployTaskResponse:
        name = ids.task(request.task_id)
        if not name.version:
            raise Invalid(f"task_id.version of {name.name!r} is empty; send the version to deploy.")
        spec = request.spec.SerializeToString(deterministic=True)
        row = TaskVersion(
            project=name.project,
            domain=name.domain,
            name=name.name,
            version=name.version,
            spec_digest=specs.digest_of(spec),
            short_name=wire_specs.short_name(request.spec, name.name),
            environment=wire_specs.environment_name(request.spec, name.name),
            deployed_at=self._clock.now_us(),
        )
        await self._projects.ensure(name.project)
        if not await self._database.write(tasks.save, row, spec):
            raise AlreadyExists(
                f"Task {name.name!r} already has a version {name.version!r}; nothing was changed."
            )
        return task_service_pb2.DeployTaskResponse()

    async def get_task_details(
        self, request: task_service_pb2.GetTaskDetailsRequest, ctx: Context
    ) -> task_service_pb2.GetTaskDetailsResponse:
        deployed = await self._book.deployed(ids.task(request.task_id))
        details = task_definition_pb2.TaskDetails(
            task_id=ids.task_id(deployed.name),
            metadata=self._metadata(deployed.row),
            spec=deployed.spec,
        )
        return task_service_pb2.GetTaskDetailsResponse(details=details)

    async def list_tasks(
        self, request: task_service_pb2.ListTasksRequest, ctx: Context
    ) -> task_service_pb2.ListTasksResponse:
        page = listing.page(request.request)
        scope = request.project_id if request.WhichOneof("scope_by") == "project_id" else None
        query = TaskQuery(
            project=scope.name or None if scope else None,
            domain=scope.domain or None if scope else None,
            latest_only=True,
            filters=page.filters,
            sorts=page.sorts,
            limit=page.fetch,
            offset=page.offset,
        )
        rows, token = page.cut(await self._database.read(tasks.listing, query))
        return task_service_pb2.ListTasksResponse(
            tasks=[self._task(row) for row in rows], token=token
        )

    async def list_versions(
        self, request: task_service_pb2.ListVersionsRequest, ctx: Context
    ) -> task_service_pb2.ListVersionsResponse:
        page = listing.page(request.request)
        name = request.task_name
        query = TaskQuery(
            project=ids.name(name.project, where="task_name.project"),
            domain=ids.name(name.domain, where="task_name.domain"),
            name=name.name,
            filters=page.filters,
            sorts=page.sorts,
            limit=page.fetch,
            offset=page.offset,
        )
        rows, token = page.cut(await self._database.read(tasks.listing, query))
        return task_service_pb2.ListVersionsResponse(
            versions=[self._version(row) for row in rows], token=token
        )

    def _version(self, row: TaskVersion) -> task_service_pb2.ListVersionsResponse.VersionResponse:
        return task_service_pb2.ListVersionsResponse.VersionResponse(
            version=row.version,
            deployed_at=times.timestamp(row.deployed_at),
            deployed_by=self._views.identity(),
        )

    def _task(self, row: TaskVersion) -> task_definition_pb2.Task:
        return task_definition_pb2.Task(
            task_id=ids.task_id(TaskName(row.project, row.domain, row.name, row.version)),
            metadata=self._metadata(row),
        )

    def _metadata(self, row: TaskVersion) -> task_definition_pb2.TaskMetadata:
        return task_definition_pb2.TaskMetadata(
            deployed_by=self._views.identity(),
            short_name=row.short_name,
            deployed_at=times.timestamp(row.deployed_at),
            environment_name=row.environment,
        )
