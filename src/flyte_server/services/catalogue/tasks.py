"""TaskService: deployed tasks and their versions."""

from dataclasses import dataclass
from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.task import task_definition_pb2, task_service_connect, task_service_pb2

from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Invalid, NotFound
from flyte_server.domain.records import TaskVersion
from flyte_server.services import listing
from flyte_server.services.access import callers
from flyte_server.services.catalogue.projects import ProjectBook
from flyte_server.services.catalogue.triggers import TriggerBook
from flyte_server.services.wire import ids, times
from flyte_server.services.wire import specs as wire_specs
from flyte_server.services.wire.actions import Views
from flyte_server.services.wire.ids import TaskName
from flyte_server.store import filters
from flyte_server.store.catalogue import specs, tasks
from flyte_server.store.catalogue.tasks import TaskQuery
from flyte_server.store.database import Database
from flyte_server.store.filters import Filter, Function

Context = RequestContext[Any, Any]
_LONGEST_VERSION = 255


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
        triggers: TriggerBook | None = None,
    ) -> None:
        self._database = database
        self._book = book
        self._projects = projects
        self._clock = clock
        self._views = views
        self._triggers = triggers

    async def deploy_task(
        self, request: task_service_pb2.DeployTaskRequest, ctx: Context
    ) -> task_service_pb2.DeployTaskResponse:
        name = ids.task(request.task_id)
        _check(name, request.spec)
        if self._triggers is not None:
            self._triggers.check(name, request.triggers, spec=request.spec)
        caller = callers.of(ctx.request_headers(), otherwise=self._views.local)
        spec = request.spec.SerializeToString(deterministic=True)
        is_new = await self._store(self._row(name, request.spec, spec, caller.subject), spec)
        if not is_new and not await self._is_same(name, spec):
            raise _known(name, "with other content, and a version never changes")
        if (
            self._triggers is not None
        ):  # also with a known version: an earlier try may have ended before
            await self._triggers.deploy_with(name, request.triggers, spec=request.spec, by=caller)
        if not is_new:
            raise _known(name, "with the same content")
        return task_service_pb2.DeployTaskResponse()

    async def _store(self, row: TaskVersion, spec: bytes) -> bool:
        """Whether the version is new; one that exists is left as it is."""
        await self._projects.ensure(row.project)
        return await self._database.write(tasks.save, row, spec)

    async def _is_same(self, name: TaskName, spec: bytes) -> bool:
        return (await self._book.deployed(name)).row.spec_digest == specs.digest_of(spec)

    def _row(
        self, name: TaskName, message: task_definition_pb2.TaskSpec, spec: bytes, by: str
    ) -> TaskVersion:
        return TaskVersion(
            project=name.project,
            domain=name.domain,
            name=name.name,
            version=name.version,
            spec_digest=specs.digest_of(spec),
            short_name=wire_specs.short_name(message, name.name),
            environment=wire_specs.environment_name(message, name.name),
            deployed_at=self._clock.now_us(),
            deployed_by=by,
            is_entrypoint=message.task_template.metadata.is_entrypoint,
            description=message.documentation.short_description,
        )

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
        only = filters.one_of("project", callers.visible(ctx.request_headers()))
        query = TaskQuery(
            project=scope.name or None if scope else None,
            domain=scope.domain or None if scope else None,
            latest_only=True,
            filters=(*page.filters, *_known_filters(request), *only),
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
            deployed_by=self._views.identity(row.deployed_by),
        )

    def _task(self, row: TaskVersion) -> task_definition_pb2.Task:
        return task_definition_pb2.Task(
            task_id=ids.task_id(TaskName(row.project, row.domain, row.name, row.version)),
            metadata=self._metadata(row),
        )

    def _metadata(self, row: TaskVersion) -> task_definition_pb2.TaskMetadata:
        return task_definition_pb2.TaskMetadata(
            deployed_by=self._views.identity(row.deployed_by),
            short_name=row.short_name,
            deployed_at=times.timestamp(row.deployed_at),
            environment_name=row.environment,
            short_description=row.description,
        )


def _known(name: TaskName, how: str) -> AlreadyExists:
    return AlreadyExists(
        f"Task {name.name!r} already has a version {name.version!r} {how}; nothing was changed."
    )


def _check(name: TaskName, spec: task_definition_pb2.TaskSpec) -> None:
    """Refuse what could never run, before anybody relies on it."""
    if not name.version:
        raise Invalid(f"task_id.version of {name.name!r} is empty; send the version to deploy.")
    if len(name.version) > _LONGEST_VERSION:
        raise Invalid(
            f"task_id.version of {name.name!r} has {len(name.version)} characters; send at most {_LONGEST_VERSION}."
        )
    own = spec.task_template.id.name
    if own and own != name.name:
        raise Invalid(
            f"task_id.name is {name.name!r}, but the spec is that of {own!r}; send the spec of the task itself."
        )
    wire_specs.policy(spec, task_name=name.name)


def _known_filters(request: task_service_pb2.ListTasksRequest) -> tuple[Filter, ...]:
    """The filters that the message has fields for."""
    found: list[Filter] = []
    for known in request.known_filters:
        match known.WhichOneof("filter_by"):
            case "deployed_by":
                found.append(Filter(Function.EQUAL, "deployed_by", (known.deployed_by,)))
            case "is_entrypoint":
                found.append(Filter(Function.EQUAL, "is_entrypoint", (int(known.is_entrypoint),)))
            case _:
                raise Invalid("A filter of known_filters says nothing; leave it out.")
    return tuple(found)
