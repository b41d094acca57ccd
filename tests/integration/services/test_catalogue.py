"""Deployed tasks, projects, and the constant answers of one machine, over real HTTP."""

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.auth import identity_pb2
from flyteidl2.cluster import payload_pb2 as cluster_pb2
from flyteidl2.common import list_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.imagebuilder import definition_pb2
from flyteidl2.imagebuilder import payload_pb2 as image_pb2
from flyteidl2.project import project_service_pb2
from flyteidl2.task import task_definition_pb2, task_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually


async def deploy(plane: Plane, name: str, version: str) -> None:
    await plane.tasks.deploy_task(
        task_service_pb2.DeployTaskRequest(
            task_id=messages.task_id(name, version), spec=messages.spec(name)
        )
    )


async def test_the_latest_version_of_a_task_is_found_and_run(plane: Plane) -> None:
    for version in ("v1", "v2"):
        await deploy(plane, "env.main", version)
    await deploy(plane, "env.other", "v1")
    by_name = list_pb2.Filter(function=list_pb2.Filter.EQUAL, field="name", values=["env.main"])
    newest = list_pb2.Sort(key="created_at", direction=list_pb2.Sort.DESCENDING)
    listed = await plane.tasks.list_tasks(
        task_service_pb2.ListTasksRequest(
            project_id=messages.PROJECT,
            request=list_pb2.ListRequest(limit=1, filters=[by_name], sort_by=newest),
        )
    )
    (task,) = listed.tasks
    assert task.task_id == task_definition_pb2.TaskIdentifier(
        org="local", project="p", domain="development", name="env.main", version="v2"
    )
    assert task.metadata.short_name == "main"
    details = await plane.tasks.get_task_details(
        task_service_pb2.GetTaskDetailsRequest(task_id=task.task_id)
    )
    assert details.details.spec == messages.spec("env.main")

    uploaded = await plane.data.upload_inputs(
        dataproxy_service_pb2.UploadInputsRequest(
            project_id=messages.PROJECT, task_id=task.task_id, inputs=messages.inputs(n=1)
        )
    )
    request = messages.create(
        task_id=task.task_id, offloaded_input_data=uploaded.offloaded_input_data
    )
    created = await plane.runs.create_run(request)
    assert created.run.action.metadata.task.id.version == "v2"
    await eventually(lambda: plane.executor.held)


async def test_a_version_is_deployed_once(plane: Plane) -> None:
    await deploy(plane, "env.main", "v1")
    with pytest.raises(ConnectError) as refused:
        await deploy(plane, "env.main", "v1")
    assert refused.value.code is Code.ALREADY_EXISTS


async def test_versions_are_listed_newest_first(plane: Plane) -> None:
    for version in ("v1", "v2", "v3"):
        await deploy(plane, "env.main", version)
    name = task_definition_pb2.TaskName(project="p", domain="development", name="env.main")
    page = await plane.tasks.list_versions(
        task_service_pb2.ListVersionsRequest(task_name=name, request=list_pb2.ListRequest(limit=2))
    )
    assert [one.version for one in page.versions] == ["v3", "v2"]
    assert page.token == "2"


async def test_a_listing_by_an_unknown_field_names_the_known_ones(plane: Plane) -> None:
    unknown = list_pb2.Filter(function=list_pb2.Filter.EQUAL, field="colour", values=["x"])
    with pytest.raises(ConnectError) as refused:
        await plane.tasks.list_tasks(
            task_service_pb2.ListTasksRequest(request=list_pb2.ListRequest(filters=[unknown]))
        )
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert "environment_name" in refused.value.message


async def test_projects_are_made_changed_and_listed(plane: Plane) -> None:
    made = project_service_pb2.Project(id="iris", name="Iris", description="flowers")
    await plane.projects.create_project(project_service_pb2.CreateProjectRequest(project=made))
    with pytest.raises(ConnectError) as refused:
        await plane.projects.create_project(project_service_pb2.CreateProjectRequest(project=made))
    assert refused.value.code is Code.ALREADY_EXISTS
    made.description = "petals"
    await plane.projects.update_project(project_service_pb2.UpdateProjectRequest(project=made))
    got = await plane.projects.get_project(project_service_pb2.GetProjectRequest(id="iris"))
    assert got.project.description == "petals"
    assert [domain.id for domain in got.project.domains] == ["development", "staging", "production"]

    await plane.runs.create_run(messages.create())  # a run makes its project
    listed = await plane.projects.list_projects(project_service_pb2.ListProjectsRequest())
    assert {"iris", "p"} <= {project.id for project in listed.projects.projects}
    by_age = project_service_pb2.ListProjectsRequest(sort_by=list_pb2.Sort(key="created_at"))
    assert (await plane.projects.list_projects(by_age)).projects.projects
    some = await plane.projects.list_projects(
        project_service_pb2.ListProjectsRequest(filters="eq(project.identifier,iris)", limit=5)
    )
    assert [project.id for project in some.projects.projects] == ["iris"]


async def test_one_machine_answers_for_the_cluster(plane: Plane) -> None:
    user = await plane.identity.user_info(identity_pb2.UserInfoRequest())
    assert (user.subject, user.name) == ("local:tester", "tester")
    cluster = await plane.clusters.select_cluster(cluster_pb2.SelectClusterRequest())
    assert cluster.cluster_endpoint == ""
    wanted = definition_pb2.ImageIdentifier(name="auto-1234")
    image = await plane.images.get_image(image_pb2.GetImageRequest(id=wanted))
    assert image.image.fqin == "auto-1234"


async def test_an_archived_project_takes_in_nothing_new_and_is_made_active_again(
    plane: Plane,
) -> None:
    async def update(state: project_service_pb2.ProjectState) -> None:
        message = project_service_pb2.Project(id="p", name="P", state=state)
        message.labels.values.update({"team": "weather"})
        await plane.projects.update_project(
            project_service_pb2.UpdateProjectRequest(project=message)
        )

    await plane.runs.create_run(messages.create())
    await update(project_service_pb2.PROJECT_STATE_ARCHIVED)
    for refused_call in (plane.runs.create_run(messages.create()), deploy(plane, "env.x", "v1")):
        with pytest.raises(ConnectError, match="archived and takes in nothing new") as refused:
            await refused_call
        assert refused.value.code is Code.FAILED_PRECONDITION
    got = await plane.projects.get_project(project_service_pb2.GetProjectRequest(id="p"))
    assert dict(got.project.labels.values) == {"team": "weather"}
    await update(project_service_pb2.PROJECT_STATE_ACTIVE)
    await plane.runs.create_run(messages.create("r2"))


async def test_projects_are_filtered_sorted_and_paged_by_the_server(plane: Plane) -> None:
    for number, name in enumerate(("north", "south", "old")):
        message = project_service_pb2.Project(id=name, name=name, state=number // 2)
        message.labels.values.update({"zone": "cold" if name == "north" else "warm"})
        await plane.projects.create_project(
            project_service_pb2.CreateProjectRequest(project=message)
        )

    async def listed(filters: str, key: str = "name", limit: int = 0, token: str = "") -> list[str]:
        response = await plane.projects.list_projects(
            project_service_pb2.ListProjectsRequest(
                filters=filters,
                limit=limit,
                token=token,
                sort_by=list_pb2.Sort(key=key, direction=list_pb2.Sort.DESCENDING),
            )
        )
        return [each.id for each in response.projects.projects] + [response.projects.token]

    assert await listed("ne(state,1)") == ["south", "north", ""]
    assert await listed("eq(state,1)") == ["old", ""]
    assert await listed("contains(name,o)", "created_at", 2) == ["old", "south", "2"]
    assert await listed("contains(name,o)", "created_at", 2, "2") == ["north", ""]
