"""Deployed tasks over real HTTP: versions that never change, who deployed them, and how they are listed."""

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import identifier_pb2, list_pb2
from flyteidl2.task import task_definition_pb2, task_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane

DeployTaskRequest = task_service_pb2.DeployTaskRequest
KnownFilter = task_service_pb2.ListTasksRequest.KnownFilter


def spec(name: str, *, entrypoint: bool = False, retries: int = 0) -> task_definition_pb2.TaskSpec:
    made = messages.spec(name)
    made.environment.name = name.partition(".")[0]
    made.task_template.metadata.is_entrypoint = entrypoint
    made.task_template.metadata.retries.retries = retries
    made.documentation.short_description = f"About {name}."
    return made


async def deploy(
    plane: Plane, name: str, version: str = "v1", **settings: object
) -> DeployTaskRequest:
    made = spec(name, **settings)  # pyright: ignore[reportArgumentType] - what a test says
    request = DeployTaskRequest(task_id=messages.task_id(name, version), spec=made)
    await plane.tasks.deploy_task(request)
    return request


async def listed(
    plane: Plane,
    *filters: list_pb2.Filter,
    known: KnownFilter | None = None,
    sort: list_pb2.Sort | None = None,
    project: str = "p",
) -> list[task_definition_pb2.Task]:
    place = identifier_pb2.ProjectIdentifier(name=project, domain="development")
    request = task_service_pb2.ListTasksRequest(
        project_id=place, request=list_pb2.ListRequest(limit=50, filters=filters, sort_by=sort)
    )
    if known is not None:
        request.known_filters.append(known)
    return list((await plane.tasks.list_tasks(request)).tasks)


def names(tasks: list[task_definition_pb2.Task]) -> list[str]:
    return [task.task_id.name for task in tasks]


async def refusal(plane: Plane, request: DeployTaskRequest) -> ConnectError:
    with pytest.raises(ConnectError) as refused:
        await plane.tasks.deploy_task(request)
    return refused.value


async def test_a_version_never_changes(plane: Plane) -> None:
    request = await deploy(plane, "env.main")
    again = await refusal(plane, request)
    assert again.code is Code.ALREADY_EXISTS
    assert "with the same content" in again.message
    request.spec.task_template.metadata.retries.retries = 5
    other = await refusal(plane, request)
    assert other.code is Code.ALREADY_EXISTS
    assert "with other content, and a version never changes" in other.message
    asked = task_service_pb2.GetTaskDetailsRequest(task_id=request.task_id)
    details = (await plane.tasks.get_task_details(asked)).details
    assert details.spec.task_template.metadata.retries.retries == 0


async def test_who_deployed_what_and_when(plane: Plane) -> None:
    request = await deploy(plane, "env.main")
    asked = task_service_pb2.GetTaskDetailsRequest(task_id=request.task_id)
    metadata = (await plane.tasks.get_task_details(asked)).details.metadata
    assert metadata.deployed_by.user.id.subject == "local:tester"
    assert metadata.short_description == "About env.main."
    assert metadata.environment_name == "env"
    assert metadata.deployed_at.seconds > 0
    (task,) = await listed(plane)
    assert task.metadata == metadata
    name = task_definition_pb2.TaskName(project="p", domain="development", name="env.main")
    versions = await plane.tasks.list_versions(
        task_service_pb2.ListVersionsRequest(task_name=name, request=list_pb2.ListRequest())
    )
    assert versions.versions[0].deployed_by == metadata.deployed_by


async def test_listings_filter_and_sort(plane: Plane) -> None:
    await deploy(plane, "one.main", entrypoint=True)
    await deploy(plane, "one.helper")
    await deploy(plane, "two.main", version="v1")
    await deploy(plane, "two.main", version="v2", entrypoint=True)

    assert set(names(await listed(plane, known=KnownFilter(is_entrypoint=True)))) == {
        "one.main",
        "two.main",
    }
    assert names(await listed(plane, known=KnownFilter(is_entrypoint=False))) == ["one.helper"]
    assert len(await listed(plane, known=KnownFilter(deployed_by="local:tester"))) == 3
    assert await listed(plane, known=KnownFilter(deployed_by="key:other")) == []
    in_environment = list_pb2.Filter(
        function=list_pb2.Filter.EQUAL, field="environment_name", values=["one"]
    )
    by_name = list_pb2.Sort(key="name", direction=list_pb2.Sort.ASCENDING)
    assert names(await listed(plane, in_environment, sort=by_name)) == ["one.helper", "one.main"]
    assert names(await listed(plane, sort=by_name)) == ["one.helper", "one.main", "two.main"]
    assert await listed(plane, project="other") == []


async def test_a_task_of_another_project_is_not_found(plane: Plane) -> None:
    request = await deploy(plane, "env.main")
    elsewhere = task_definition_pb2.TaskIdentifier()
    elsewhere.CopyFrom(request.task_id)
    elsewhere.project = "other"
    with pytest.raises(ConnectError) as refused:
        await plane.tasks.get_task_details(
            task_service_pb2.GetTaskDetailsRequest(task_id=elsewhere)
        )
    assert refused.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("version", "named", "said"),
    [
        ("", "env.main", "version of 'env.main' is empty"),
        ("v" * 300, "env.main", "has 300 characters"),
        ("v1", "env.other", "the spec is that of 'env.other'"),
    ],
)
async def test_what_cannot_be_deployed(plane: Plane, version: str, named: str, said: str) -> None:
    request = DeployTaskRequest(task_id=messages.task_id("env.main", version), spec=spec(named))
    refused = await refusal(plane, request)
    assert refused.code is Code.INVALID_ARGUMENT
    assert said in refused.message
    assert await listed(plane) == []


async def test_resources_that_cannot_be_read_are_refused_at_once(plane: Plane) -> None:
    request = DeployTaskRequest(task_id=messages.task_id("env.main", "v1"), spec=spec("env.main"))
    request.spec.task_template.container.resources.requests.add(name=3, value="much")
    refused = await refusal(plane, request)
    assert refused.code is Code.INVALID_ARGUMENT
    assert "much" in refused.message


async def test_an_empty_known_filter_is_refused(plane: Plane) -> None:
    with pytest.raises(ConnectError) as refused:
        await listed(plane, known=KnownFilter())
    assert refused.value.code is Code.INVALID_ARGUMENT
