"""A handle of one project."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from flyteidl2.project import project_service_pb2

from flyte import _session, errors
from flyte.remote import _listing
from flyte.remote._common import ToJSONMixin, named
from flyte.remote._listing import ListRequest, SortBy
from flyte.syncify import syncify

_ARCHIVED = project_service_pb2.PROJECT_STATE_ARCHIVED
_ACTIVE = project_service_pb2.PROJECT_STATE_ACTIVE


@dataclass
class Project(ToJSONMixin):
    """One project: a name under which runs and tasks are kept apart from those of others.

    Example:
        >>> [project.pb2.id for project in flyte.remote.Project.listall()]
        ['flytesnacks']
    """

    pb2: project_service_pb2.Project

    @syncify
    @classmethod
    async def get(cls, name: str) -> "Project":
        """A project by its identifier.

        Raises:
            ActionNotFoundError: there is no such project.
        """
        session = _session.current()
        plane = await session.control_plane()
        with named(f"project {name!r}", "list projects with: flyte get project"):
            response = await plane.projects.get_project(
                project_service_pb2.GetProjectRequest(id=name, org=session.org)
            )
        return cls(response.project)

    @syncify
    @classmethod
    async def listall(
        cls,
        filters: str | None = None,
        sort_by: SortBy | None = None,
        archived: bool = False,
    ) -> AsyncIterator["Project"]:
        """The active projects, or the archived ones.

        Args:
            filters: conditions such as `eq(name,weather)`, in the wire's language.
            sort_by: field and direction.
            archived: the archived ones instead.
        """
        session = _session.current()
        plane = await session.control_plane()
        state = f"{'eq' if archived else 'ne'}(state,{_ARCHIVED})"
        wanted = f"{filters}+{state}" if filters else state

        async def page(request: ListRequest) -> tuple[list[Project], str]:
            response = await plane.projects.list_projects(
                project_service_pb2.ListProjectsRequest(
                    limit=request.limit,
                    token=request.token,
                    filters=wanted,
                    sort_by=request.sort_by,
                    org=session.org,
                )
            )
            return [cls(each) for each in response.projects.projects], response.projects.token

        async for project in _listing.items(page, (), sort_by=sort_by):
            yield project

    @syncify
    @classmethod
    async def create(
        cls,
        id: str,  # noqa: A002
        name: str,
        description: str = "",
        labels: dict[str, str] | None = None,
    ) -> "Project":
        """Make a project.

        Args:
            id: its identifier, as `project=…` names it.
            name: its name for people.
        """
        session = _session.current()
        message = project_service_pb2.Project(
            id=id, name=name, description=description, org=session.org
        )
        message.labels.values.update(labels or {})
        plane = await session.control_plane()
        try:
            await plane.projects.create_project(
                project_service_pb2.CreateProjectRequest(project=message)
            )
        except errors.UnionRpcError as error:
            if error.code == "already_exists":
                raise errors.DefinitionError(
                    f"project {id!r} exists already; choose another identifier, or use it as it is"
                ) from error
            raise
        return await cls.get.aio(id)

    @syncify
    @classmethod
    async def update(
        cls,
        id: str,  # noqa: A002
        name: str | None = None,
        description: str | None = None,
        labels: dict[str, str] | None = None,
        state: Literal["archived", "active"] | None = None,
    ) -> "Project":
        """Change a project; what is not given stays.

        Raises:
            ActionNotFoundError: there is no such project.
        """
        message = (await cls.get.aio(id)).pb2
        message.name = name if name is not None else message.name
        message.description = description if description is not None else message.description
        if labels is not None:
            message.labels.values.clear()
            message.labels.values.update(labels)
        if state is not None:
            message.state = _ARCHIVED if state == "archived" else _ACTIVE
        plane = await _session.current().control_plane()
        await plane.projects.update_project(
            project_service_pb2.UpdateProjectRequest(project=message)
        )
        return cls(message)

    def archive(self) -> "Project":
        """Let the project take in nothing new, and hide it from listings; its runs go on and stay readable."""
        return Project.update(self.pb2.id, state="archived")

    def unarchive(self) -> "Project":
        """Let the project take in new runs, and show it in listings again."""
        return Project.update(self.pb2.id, state="active")
