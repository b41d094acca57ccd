"""`Task`: a deployed task as listings show it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from flyteidl2.common import identity_pb2
from flyteidl2.task import task_definition_pb2, task_service_pb2

from flyte import _session
from flyte._wire import ids
from flyte.remote import _listing
from flyte.remote._common import ToJSONMixin
from flyte.remote._listing import ListRequest, SortBy
from flyte.remote._tasks.details import LazyEntity
from flyte.remote._tasks.lookup import AutoVersioning, Wanted
from flyte.syncify import syncify


@dataclass
class Task(ToJSONMixin):
    """One version of a deployed task, as a listing shows it.

    Example:
        >>> [task.name for task in flyte.remote.Task.listall(by_task_env="models")]
        ['models.train']
    """

    pb2: task_definition_pb2.Task

    @property
    def name(self) -> str:
        """Full name: `environment.function`."""
        return self.pb2.task_id.name

    @property
    def version(self) -> str:
        """The version."""
        return self.pb2.task_id.version

    @property
    def environment(self) -> str:
        """Name of its environment."""
        return self.pb2.metadata.environment_name

    @property
    def deployed_at(self) -> datetime:
        """When it was deployed."""
        return self.pb2.metadata.deployed_at.ToDatetime(UTC)

    @property
    def deployed_by(self) -> str:
        """Who deployed it, as people call them; empty where nobody knows."""
        return _who(self.pb2.metadata.deployed_by)

    @property
    def entrypoint(self) -> bool:
        """Whether it is a main task, which people start; asks the control plane, which does not list it."""
        details = LazyEntity.of(self._wanted).fetch()
        return details.pb2.spec.task_template.metadata.is_entrypoint

    @property
    def url(self) -> str:
        """Address of the task in the console."""
        identifier = self.pb2.task_id
        base = _session.current().base_url
        return f"{base}/v2/domain/{identifier.domain}/project/{identifier.project}/tasks/{identifier.name}"

    @property
    def _wanted(self) -> Wanted:
        identifier = self.pb2.task_id
        return Wanted(identifier.name, identifier.project, identifier.domain, identifier.version)

    @classmethod
    def get(
        cls,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> LazyEntity:
        """A deployed task that is fetched when it is used.

        Args:
            name: full name, `environment.function`.
            project: its project; by default the one of the running task or of the session.
            domain: likewise.
            version: the version that is wanted.
            auto_version: or `latest`, or in a task `current`: that of the task itself.

        Raises:
            RemoteTaskUsageError: no version is named.

        Example:
            >>> train = flyte.remote.Task.get("models.train", auto_version="latest")
            >>> run = flyte.run(train, folds=3)
        """
        return LazyEntity.of(Wanted(name, project, domain, version, auto_version))

    @syncify
    @classmethod
    async def listall(
        cls,
        by_task_name: str | None = None,
        by_task_env: str | None = None,
        project: str | None = None,
        domain: str | None = None,
        sort_by: SortBy | None = None,
        limit: int = 100,
        entrypoint: bool | None = None,
    ) -> AsyncIterator["Task"]:
        """Deployed tasks, of each the version that was deployed last.

        Args:
            by_task_name: only the task of this full name.
            by_task_env: only tasks of this environment.
            project: their project; by default the one of the running task or of the session.
            domain: likewise.
            sort_by: field and direction; by default the last deployed first.
            limit: how many at most.
            entrypoint: only main tasks (True), or only others (False).

        Example:
            >>> async for task in flyte.remote.Task.listall.aio(by_task_env="models"):
            ...     print(task.name, task.version)
        """
        plane = await _session.current().control_plane()
        scope = ids.project(
            project or _session.current_project(),
            domain or _session.current_domain(),
            _session.current().org,
        )

        async def page(request: ListRequest) -> tuple[list[Task], str]:
            asked = task_service_pb2.ListTasksRequest(request=request, project_id=scope)
            if entrypoint is not None:
                asked.known_filters.add(is_entrypoint=entrypoint)
            response = await plane.tasks.list_tasks(asked)
            return [cls(each) for each in response.tasks], response.token

        filters = [
            *_listing.equal("name", by_task_name),
            *_listing.equal("environment_name", by_task_env),
        ]
        async for task in _listing.items(page, filters, sort_by=sort_by, limit=limit):
            yield task


@dataclass
class TaskVersion:
    """One version of a task, as the list of its versions shows it."""

    pb2: task_service_pb2.ListVersionsResponse.VersionResponse
    name: str
    """Full name of the task."""

    @property
    def version(self) -> str:
        """The version."""
        return self.pb2.version

    @property
    def deployed_at(self) -> datetime:
        """When it was deployed."""
        return self.pb2.deployed_at.ToDatetime(UTC)

    @property
    def deployed_by(self) -> str:
        """Who deployed it, as people call them; empty where nobody knows."""
        return _who(self.pb2.deployed_by)

    @syncify
    @classmethod
    async def listall(
        cls,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        limit: int = 100,
    ) -> AsyncIterator["TaskVersion"]:
        """The versions of a task, the last deployed first."""
        plane = await _session.current().control_plane()
        task_name = task_definition_pb2.TaskName(
            org=_session.current().org,
            project=project or _session.current_project(),
            domain=domain or _session.current_domain(),
            name=name,
        )

        async def page(request: ListRequest) -> tuple[list[TaskVersion], str]:
            asked = task_service_pb2.ListVersionsRequest(request=request, task_name=task_name)
            response = await plane.tasks.list_versions(asked)
            return [cls(each, name) for each in response.versions], response.token

        async for version in _listing.items(page, (), limit=limit):
            yield version


def _who(identity: identity_pb2.EnrichedIdentity) -> str:
    if identity.HasField("application"):
        return identity.application.spec.name or identity.application.id.subject
    user = identity.user
    names = (user.spec.first_name, user.spec.last_name)
    return user.spec.user_handle or " ".join(filter(None, names)) or user.id.subject
