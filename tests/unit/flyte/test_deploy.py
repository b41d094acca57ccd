"""What is deployed together, and how a deployment ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.task import task_definition_pb2, task_service_pb2
from tests.fakes.remote_plane import FakePlane, attached, gone

import flyte
from flyte import _deployment, _session, errors

HERE = Path(__file__).resolve().parent

tools = flyte.TaskEnvironment(name="deploy_tools")
app = flyte.TaskEnvironment(name="deploy_app", depends_on=[tools])
empty = flyte.TaskEnvironment(name="deploy_empty")


@tools.task
async def scale(n: int) -> int:
    return 2 * n


@tools.task
async def shift(n: int) -> int:
    return n + 1


@app.task(triggers=flyte.Trigger("nightly", flyte.Cron("0 3 * * *"), inputs={"n": 3}))
async def main(n: int) -> int:
    return await scale.aio(n)


twin = flyte.TaskTemplate(name="deploy_tools.scale", interface=scale.interface)


class Registry(FakePlane):
    """Keeps what is deployed, as a control plane does."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = self
        self.kept: dict[tuple[str, str], task_definition_pb2.TaskSpec] = {}
        self.refused: dict[str, errors.UnionRpcError] = {}
        self.requests_: list[task_service_pb2.DeployTaskRequest] = []

    async def deploy_task(
        self, request: task_service_pb2.DeployTaskRequest
    ) -> task_service_pb2.DeployTaskResponse:
        self.requests_.append(request)
        if error := self.refused.get(request.task_id.name):
            raise error
        key = (request.task_id.name, request.task_id.version)
        if key in self.kept:
            raise gone("already_exists")
        self.kept[key] = request.spec
        return task_service_pb2.DeployTaskResponse()

    async def get_task_details(
        self, request: task_service_pb2.GetTaskDetailsRequest
    ) -> task_service_pb2.GetTaskDetailsResponse:
        spec = self.kept[request.task_id.name, request.task_id.version]
        details = task_definition_pb2.TaskDetails(task_id=request.task_id, spec=spec)
        return task_service_pb2.GetTaskDetailsResponse(details=details)


@pytest.fixture
def registry() -> Iterator[Registry]:
    plane = Registry()
    with _session.using(attached(plane, root_dir=HERE.parents[2])):
        yield plane


def deploy(*envs: flyte.Environment, **options: Any) -> list[_deployment.Deployment]:
    return flyte.deploy(*envs, copy_style="none", **{"version": "v1", **options})


def states(deployments: list[_deployment.Deployment]) -> dict[str, str]:
    return {task.name: task.state for each in deployments for task in each.tasks}


def test_dependencies_are_deployed_once(registry: Registry) -> None:
    first, second = deploy(app, tools)
    assert list(first.envs) == ["deploy_app", "deploy_tools"]
    assert list(second.envs) == ["deploy_tools"]
    assert first.summary_repr() == "2 environments with 3 tasks"
    assert sorted(request.task_id.name for request in registry.requests_) == [
        "deploy_app.main",
        "deploy_tools.scale",
        "deploy_tools.shift",
    ]
    by_name = {request.task_id.name: request for request in registry.requests_}
    assert [each.name for each in by_name["deploy_app.main"].triggers] == ["nightly"]
    assert first.table_repr()[0] == [
        ("type", "task"),
        ("name", "deploy_app.main"),
        ("version", "v1"),
        ("triggers", "nightly"),
        ("state", "deployed"),
    ]
    assert [row[0] for row in first.env_repr()] == [
        ("environment", "deploy_app"),
        ("environment", "deploy_tools"),
    ]


def test_the_same_again_is_unchanged_and_other_content_is_refused(registry: Registry) -> None:
    deploy(app)
    assert set(states(deploy(app)).values()) == {"unchanged"}
    registry.kept["deploy_tools.scale", "v1"].task_template.metadata.retries.retries = 4
    with pytest.raises(errors.DeploymentError, match="exists with other content"):
        deploy(app)


def test_what_fails_does_not_keep_the_rest_from_being_deployed(registry: Registry) -> None:
    registry.refused["deploy_tools.scale"] = errors.UnionRpcError("permission_denied", "no role")
    with pytest.raises(errors.DeploymentError) as refused:
        deploy(app)
    told = str(refused.value)
    assert "1 of 3 tasks were not deployed as version v1 (2 were)" in told
    assert "deploy_tools.scale: " in told
    assert "no role" in told
    registry.refused.clear()
    assert states(deploy(app)) == {
        "deploy_app.main": "unchanged",
        "deploy_tools.scale": "deployed",
        "deploy_tools.shift": "unchanged",
    }


def test_a_dry_run_sends_nothing_and_knows_the_version(registry: Registry) -> None:
    planned = flyte.deploy(app, copy_style="all", dry_run=True)
    old = flyte.deploy(app, copy_style="all", dryrun=True)
    assert set(states(planned).values()) == {"planned"}
    (version,) = {task.version for each in (*planned, *old) for task in each.tasks}
    assert len(version) == 32
    assert registry.requests_ == []


async def test_it_can_be_awaited(registry: Registry) -> None:
    (made,) = await flyte.deploy.aio(tools, version="v1", copy_style="none")
    assert len(made.tasks) == 2


def circle() -> flyte.TaskEnvironment:
    one, two = flyte.TaskEnvironment("circle_one"), flyte.TaskEnvironment("circle_two")
    one.add_dependency(two)
    two.add_dependency(one)
    return one


@pytest.mark.parametrize(
    ("envs", "options", "said"),
    [
        ((), {}, "no environment"),
        (("app",), {}, "takes environments"),
        ((circle(),), {}, "circle_one → circle_two → circle_one"),
        ((tools, flyte.TaskEnvironment("deploy_tools")), {}, "two environments are named"),
        ((flyte.Environment("plain"),), {}, "is a Environment"),
        ((empty,), {}, "no task in deploy_empty"),
        ((app,), {"version": None}, "pass version="),
        ((app,), {"version": " "}, "names no version"),
        ((app,), {"interactive_mode": True}, "not supported"),
        (
            (tools, flyte.TaskEnvironment.from_task("deploy_more", twin)),
            {},
            "both have a task 'deploy_tools.scale'",
        ),
    ],
)
def test_what_cannot_be_deployed(
    registry: Registry, envs: tuple[Any, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(errors.DeploymentError, match=said):
        deploy(*envs, **options)
    assert registry.requests_ == []


def test_many_paths_to_one_environment_are_walked_once() -> None:
    layer = [flyte.TaskEnvironment(f"layer-{n}-0") for n in range(2)]
    first = layer[0]
    for depth in range(1, 40):
        below = [flyte.TaskEnvironment(f"layer-{depth}-{n}") for n in range(3)]
        for env in layer:
            env.add_dependency(*below)
        layer = below
    assert len(_deployment.closure(first)) == 1 + 39 * 3


def test_without_a_control_plane() -> None:
    with (
        _session.using(_session.Session()),
        pytest.raises(errors.InitializationError, match=r"flyte\.init"),
    ):
        deploy(tools)
