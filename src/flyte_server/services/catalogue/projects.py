"""ProjectService: projects; every one has the same three domains."""

from dataclasses import replace
from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.project import project_service_connect, project_service_pb2
from flyteidl2.task import run_pb2

from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Conflict, Invalid, NotFound
from flyte_server.domain.records import Project
from flyte_server.services import listing
from flyte_server.services.access import callers
from flyte_server.services.wire import ids
from flyte_server.store import filters
from flyte_server.store.catalogue import projects
from flyte_server.store.catalogue.projects import ProjectQuery
from flyte_server.store.database import Database
from flyte_server.store.filters import Sort
from flyte_server.store.rows import Connection

Context = RequestContext[Any, Any]

DOMAINS = ("development", "staging", "production")
_STATES = {
    int(state): state
    for state in (
        project_service_pb2.PROJECT_STATE_ACTIVE,
        project_service_pb2.PROJECT_STATE_ARCHIVED,
        project_service_pb2.PROJECT_STATE_SYSTEM_GENERATED,
        project_service_pb2.PROJECT_STATE_SYSTEM_ARCHIVED,
    )
}


class ProjectBook:
    """Makes projects on their first use: on one's own machine a run should not fail for want of
    one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ensure(self, id_: str) -> None:
        """Make the project unless it exists.

        Raises:
            Conflict: it is archived; asked each time, because any control plane may have archived it.
        """
        known = await self._database.read(projects.load, id_)
        if known is None:
            record = Project(id=id_, name=id_, created_at=self._clock.now_us())
            await self._database.write(_add, record)
        elif known.is_archived:
            raise Conflict(
                f"Project {id_!r} is archived and takes in nothing new; use another project, or make it active again: "
                f"flyte update project {id_} --unarchive"
            )


class ProjectService(project_service_connect.ProjectService):
    """Create, change and list projects."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create_project(
        self, request: project_service_pb2.CreateProjectRequest, ctx: Context
    ) -> project_service_pb2.CreateProjectResponse:
        record = replace(_record(request.project), created_at=self._clock.now_us())
        if not await self._database.write(_add, record):
            raise AlreadyExists(
                f"Project {record.id!r} exists already; change it with UpdateProject."
            )
        return project_service_pb2.CreateProjectResponse()

    async def update_project(
        self, request: project_service_pb2.UpdateProjectRequest, ctx: Context
    ) -> project_service_pb2.UpdateProjectResponse:
        record = _record(request.project)
        await self._load(record.id)
        await self._database.write(projects.save, record)
        return project_service_pb2.UpdateProjectResponse()

    async def get_project(
        self, request: project_service_pb2.GetProjectRequest, ctx: Context
    ) -> project_service_pb2.GetProjectResponse:
        return project_service_pb2.GetProjectResponse(
            project=_message(await self._load(request.id))
        )

    async def list_projects(
        self, request: project_service_pb2.ListProjectsRequest, ctx: Context
    ) -> project_service_pb2.ListProjectsResponse:
        page = listing.Page(
            limit=listing.limit(request.limit),
            offset=listing.offset(request.token),
            filters=listing.raw_filters([request.filters]),
            sorts=_sorts(request),
        )
        only = filters.one_of("id", callers.visible(ctx.request_headers()))
        query = ProjectQuery(
            filters=(*page.filters, *only),
            sorts=page.sorts,
            limit=page.fetch,
            offset=page.offset,
        )
        rows, token = page.cut(await self._database.read(projects.listing, query))
        found = project_service_pb2.Projects(projects=map(_message, rows), token=token)
        return project_service_pb2.ListProjectsResponse(projects=found)

    async def _load(self, id_: str) -> Project:
        record = await self._database.read(projects.load, id_)
        if record is None:
            raise NotFound(f"There is no project {id_!r}; list them with 'flyte get project'.")
        return record


def _sorts(request: project_service_pb2.ListProjectsRequest) -> tuple[Sort, ...]:
    """The field to sort by; by id when none is asked for."""
    return (listing.sort(request.sort_by),) if request.sort_by.key else ()


def _add(connection: Connection, record: Project) -> bool:
    if projects.load(connection, record.id) is not None:
        return False
    projects.save(connection, record)
    return True


def _record(message: project_service_pb2.Project) -> Project:
    id_ = ids.name(message.id or message.name, where="project.id")
    return Project(
        id=id_,
        name=message.name or id_,
        description=message.description,
        state=int(message.state),
        labels=_labels(message),
    )


def _labels(message: project_service_pb2.Project) -> dict[str, str]:
    labels = dict(message.labels.values)
    for key in labels:
        if not key or '"' in key:
            raise Invalid(
                f"A label of project {message.id!r} is called {key!r}; give it a name without quotes."
            )
    return labels


def _message(record: Project) -> project_service_pb2.Project:
    return project_service_pb2.Project(
        id=record.id,
        name=record.name,
        description=record.description,
        state=_STATES.get(record.state),
        org=ids.ORG,
        labels=run_pb2.Labels(values=record.labels),
        domains=[project_service_pb2.Domain(id=domain, name=domain) for domain in DOMAINS],
    )
