"""Which version of a deployed task is meant, and what to say when there is none."""

import difflib
from dataclasses import dataclass
from typing import Literal

from flyteidl2.common import list_pb2
from flyteidl2.task import task_definition_pb2, task_service_pb2

from flyte import _session, errors
from flyte._client import ControlPlane
from flyte._context import ctx
from flyte._wire import ids
from flyte.remote import _listing

AutoVersioning = Literal["latest", "current"]
"""`latest`: the version that was deployed last; `current`: the one of the task that asks."""

_NAMES_TO_COMPARE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deployed task as a caller names it."""

    name: str
    project: str | None = None
    domain: str | None = None
    version: str | None = None
    auto_version: AutoVersioning | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise errors.RemoteTaskUsageError(
                "a deployed task has a name, 'environment.function'; pass it to Task.get()"
            )
        if self.version is None and self.auto_version is None:
            raise errors.RemoteTaskUsageError(
                f"Task.get({self.name!r}) says no version; pass version='…', auto_version='latest', or in a task "
                "auto_version='current'"
            )
        if self.auto_version not in (None, "latest", "current"):
            raise errors.RemoteTaskUsageError(
                f"Task.get({self.name!r}): auto_version is {self.auto_version!r}; it must be 'latest' or 'current'"
            )

    async def identifier(self, plane: ControlPlane) -> task_definition_pb2.TaskIdentifier:
        """The full name, its version found out.

        Raises:
            RemoteTaskNotFoundError: nothing of that name is deployed.
            RemoteTaskUsageError: `current` outside of a task.
        """
        found = task_definition_pb2.TaskIdentifier(
            org=_session.current().org,
            project=self.project or _session.current_project(),
            domain=self.domain or _session.current_domain(),
            name=self.name,
        )
        if self.version is not None:
            found.version = self.version
        elif self.auto_version == "current":
            found.version = self._of_caller()
        else:
            found.version = await _latest(plane, found)
        return found

    def _of_caller(self) -> str:
        here = ctx()
        if here is None:
            raise errors.RemoteTaskUsageError(
                f"Task.get({self.name!r}, auto_version='current') means the version of the task that asks, but nothing "
                "runs here; use it in a task, or pass auto_version='latest'"
            )
        return here.version


async def details(
    plane: ControlPlane, identifier: task_definition_pb2.TaskIdentifier
) -> task_definition_pb2.TaskDetails:
    """A deployed version of a task, with its specification.

    Raises:
        RemoteTaskNotFoundError: there is none; the message says what is there.
    """
    try:
        response = await plane.tasks.get_task_details(
            task_service_pb2.GetTaskDetailsRequest(task_id=identifier)
        )
    except errors.UnionRpcError as error:
        if error.code != "not_found":
            raise
        raise await _not_found(plane, identifier) from error
    return response.details


async def _latest(plane: ControlPlane, identifier: task_definition_pb2.TaskIdentifier) -> str:
    response = await plane.tasks.list_tasks(
        task_service_pb2.ListTasksRequest(
            project_id=ids.project(identifier.project, identifier.domain, identifier.org or None),
            request=list_pb2.ListRequest(
                limit=1,
                filters=_listing.equal("name", identifier.name),
                sort_by=list_pb2.Sort(key="created_at", direction=list_pb2.Sort.DESCENDING),
            ),
        )
    )
    if not response.tasks:
        raise await _not_found(plane, identifier)
    return response.tasks[0].task_id.version


async def _not_found(
    plane: ControlPlane, identifier: task_definition_pb2.TaskIdentifier
) -> errors.RemoteTaskNotFoundError:
    place = f"{identifier.project}/{identifier.domain}"
    known = await _versions(plane, identifier) if identifier.version else []
    if known:
        return errors.RemoteTaskNotFoundError(
            f"task {identifier.name!r} has no version {identifier.version!r} in {place}; the last ones are: "
            f"{', '.join(known)}"
        )
    near = difflib.get_close_matches(identifier.name, await _names(plane, identifier), n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return errors.RemoteTaskNotFoundError(
        f"no task {identifier.name!r} is deployed in {place}{hint}; list what is there with: flyte get task, or deploy "
        "it with: flyte deploy FILE"
    )


async def _versions(
    plane: ControlPlane, identifier: task_definition_pb2.TaskIdentifier
) -> list[str]:
    name = task_definition_pb2.TaskName(
        org=identifier.org,
        project=identifier.project,
        domain=identifier.domain,
        name=identifier.name,
    )
    response = await plane.tasks.list_versions(
        task_service_pb2.ListVersionsRequest(task_name=name, request=list_pb2.ListRequest(limit=5))
    )
    return [each.version for each in response.versions]


async def _names(plane: ControlPlane, identifier: task_definition_pb2.TaskIdentifier) -> list[str]:
    response = await plane.tasks.list_tasks(
        task_service_pb2.ListTasksRequest(
            project_id=ids.project(identifier.project, identifier.domain, identifier.org or None),
            request=list_pb2.ListRequest(limit=_NAMES_TO_COMPARE),
        )
    )
    return [each.task_id.name for each in response.tasks]
