"""Handles of deployed tasks: found, looked at, started, and called by another task."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.common import identity_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.task import task_definition_pb2, task_service_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from tests.fakes.remote_plane import FakePlane, attached, gone

import flyte
from flyte import _session, errors
from flyte._context import (
    Call,
    GroupData,
    Outcome,
    RawDataPath,
    Scope,
    TaskContext,
    entered,
)
from flyte._ids import ActionID
from flyte._runtime import calls
from flyte._runtime.actions import TaskActions
from flyte._runtime.sequencer import Sequencer
from flyte._wire import task_spec
from flyte._wire.caching import keys
from flyte._wire.deployed.reference import Reference
from flyte._wire.task_spec import SerializationContext
from flyte.remote import Task, TaskDetails

env = flyte.TaskEnvironment(name="far", secrets=flyte.Secret(key="token"))


@dataclass
class Point:
    x: int
    y: int = 2


@env.task(cache=flyte.Cache("auto", version_override="3"), retries=1)
async def work(n: int, by: int = 10, at: Point | None = None) -> int:
    """Works far away."""
    return n * by


CONTEXT = SerializationContext(
    version="v2", project="p", domain="d", root_dir=Path(__file__).resolve().parents[4]
)
SPEC = task_spec.task_spec(work, CONTEXT)


def identifier(version: str = "v2", name: str = "far.work") -> task_definition_pb2.TaskIdentifier:
    return task_definition_pb2.TaskIdentifier(project="p", domain="d", name=name, version=version)


def details(version: str = "v2") -> task_definition_pb2.TaskDetails:
    return task_definition_pb2.TaskDetails(task_id=identifier(version), spec=SPEC)


def listed(*names: str, version: str = "v2") -> task_service_pb2.ListTasksResponse:
    tasks = [task_definition_pb2.Task(task_id=identifier(version, name)) for name in names]
    return task_service_pb2.ListTasksResponse(tasks=tasks)


def answered(version: str = "v2") -> task_service_pb2.GetTaskDetailsResponse:
    return task_service_pb2.GetTaskDetailsResponse(details=details(version))


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    plane = FakePlane()
    plane.tasks = plane  # pyright: ignore[reportAttributeAccessIssue] - one object for all services
    plane.answer("get_task_details", lambda request: answered(request.task_id.version))
    plane.answer("list_tasks", listed("far.work"))
    with _session.using(attached(plane)):
        yield plane


class Recording:
    """A runtime that keeps the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Any:
        self.calls.append(call)
        return 42

    async def recall(self, call: Call) -> Outcome | None:
        return None

    async def record(self, call: Call, outcome: Outcome) -> None:
        return None


def scope(runtime: Recording, *, trace: str | None = None, **changes: Any) -> Scope:
    task = TaskContext(
        action=ActionID(name="a0", run_name="r", project="p", domain="d"),
        version="v1",
        raw_data_path=RawDataPath("/raw"),
        output_path="/out",
        run_base_dir="/run",
    )
    return Scope(runtime, task.replace(**changes), trace)


def test_the_latest_version_is_asked_for_when_it_is_needed(plane: FakePlane) -> None:
    task = Task.get("far.work", auto_version="latest")
    assert (task.name, repr(task)) == ("far.work", "<deployed task far.work>")
    assert plane.asked == []
    found = task.fetch()
    assert (found.name, found.version, found.task_type) == ("far.work", "v2", "python")
    assert repr(found) == "<deployed task far.work v2>"
    (asked,) = plane.requests("list_tasks")
    assert (asked.project_id.name, asked.project_id.domain, asked.request.limit) == ("p", "d", 1)
    assert asked.request.sort_by.key == "created_at"
    assert task.fetch() is found, "kept"


def test_a_given_version_and_project_are_asked_for_as_they_are(plane: FakePlane) -> None:
    Task.get("far.work", project="other", version="v7").fetch()
    (asked,) = plane.requests("get_task_details")
    assert (asked.task_id.project, asked.task_id.domain, asked.task_id.version) == (
        "other",
        "d",
        "v7",
    )
    assert plane.requests("list_tasks") == []


async def test_current_is_the_version_of_the_task_that_asks(plane: FakePlane) -> None:
    wanted = TaskDetails.get("far.work", None, None, auto_version="current")
    with pytest.raises(errors.RemoteTaskUsageError, match="nothing runs here"):
        await wanted.fetch.aio()
    with entered(scope(Recording())):
        assert (await wanted.fetch.aio()).version == "v1"
    with entered(scope(Recording(), version="v9")):
        assert (await wanted.fetch.aio()).version == "v1", "kept for the attempt"
    with entered(scope(Recording(), version="v9", attempt_number=1)):
        assert (await wanted.fetch.aio()).version == "v9"
        again = await TaskDetails.fetch("far.work", auto_version="current")
    assert again.version == "v9"


def test_what_is_known_of_a_task(plane: FakePlane) -> None:
    found = Task.get("far.work", version="v2").fetch()
    assert found.required_args == ("n",)
    assert found.default_input_args == ("by", "at")
    assert found.interface.get_input_types()["by"] is int
    assert found.secrets == ["token"]
    assert found.resources == ([], [])
    assert found.queue is None
    assert (found.cache.is_enabled(), found.cache.version_override) == (True, "3")
    changed = found.override(
        queue="fast", retries=5, resources=flyte.Resources(cpu="2"), cache=flyte.Cache("disable")
    )
    assert [each.value for each in changed.resources[0]] == ["2"]
    assert changed.queue == "fast"
    assert not changed.cache.is_enabled()
    assert (changed.overridden, found.overridden) == (True, False)
    assert not found.override(queue="fast", max_inline_io_bytes=10).overridden


def test_names_that_are_near(plane: FakePlane) -> None:
    plane.answers["list_tasks"].clear()
    plane.answer("list_tasks", task_service_pb2.ListTasksResponse(), listed("far.work", "b.c"))
    with pytest.raises(errors.RemoteTaskNotFoundError, match=r"did you mean 'far\.work'"):
        Task.get("far.wrok", auto_version="latest").fetch()


def test_versions_that_are_there(plane: FakePlane) -> None:
    plane.answers["get_task_details"].clear()
    plane.answer("get_task_details", gone("not_found"))
    versions = task_service_pb2.ListVersionsResponse()
    versions.versions.add(version="v2")
    plane.answer("list_versions", versions)
    with pytest.raises(errors.RemoteTaskNotFoundError, match=r"has no version 'v8'.*: v2"):
        Task.get("far.work", version="v8").fetch()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "far.work"}, "says no version"),
        ({"name": "far.work", "auto_version": "newest"}, "'latest' or 'current'"),
        ({"name": "", "version": "1"}, "'environment.function'"),
    ],
)
def test_what_cannot_be_asked_for(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.RemoteTaskUsageError, match=said):
        Task.get(**arguments)


async def test_called_in_a_task_it_is_a_child_of_it(plane: FakePlane) -> None:
    task, runtime = Task.get("far.work", auto_version="latest"), Recording()
    with entered(scope(runtime, group_data=GroupData("g"))):
        assert await task(n=3, at=Point(1)) == 42
        changed = await task.override.aio(retries=7)
        await changed(n=4)
    first, second = runtime.calls
    assert (first.group, list(first.arguments)) == ("g", ["n", "at"])
    assert isinstance(first.callee, Reference)
    assert first.callee.spec == SPEC
    assert isinstance(second.callee, Reference)
    assert second.callee.spec.task_template.metadata.retries.retries == 7


@pytest.mark.parametrize(
    ("surroundings", "error", "said"),
    [
        ({"mode": "local"}, errors.RemoteTaskUsageError, "start the run on a control plane"),
        ({"trace": "step"}, errors.TraceDoesNotAllowNestedTasksError, "traced function 'step'"),
    ],
)
async def test_where_it_cannot_be_called(
    plane: FakePlane, surroundings: dict[str, Any], error: type[Exception], said: str
) -> None:
    task = Task.get("far.work", auto_version="latest")
    with entered(scope(Recording(), **surroundings)), pytest.raises(error, match=said):
        await task(n=1)
    with pytest.raises(errors.RemoteTaskUsageError, match=r"flyte\.run\(task"):
        await task(n=1)
    assert plane.asked == [], "nothing is fetched for a call that cannot be"


async def test_a_call_has_the_name_and_the_cache_key_of_a_call_of_the_task_itself(
    plane: FakePlane,
) -> None:
    found = await Task.get("far.work", version="v2").fetch.aio()
    caller = scope(Recording())
    own = Call(work, work.interface.bind((3,), {"at": Point(5)}, what="work"))
    far = Call(found.reference, found.arguments((), {"n": 3, "at": Point(5)}))
    with entered(caller):
        named = [await calls.name_task(call, Sequencer(caller.task.action)) for call in (own, far)]
    assert named[0].action == named[1].action
    assert named[0].inputs == named[1].inputs
    made = [TaskActions(CONTEXT).build(each, caller.task) for each in named]
    assert made[0].task.cache_key.value
    assert made[0].task.cache_key == made[1].task.cache_key
    assert made[1].task.id == identifier()
    assert keys.key(SPEC.task_template, named[1].inputs) == made[1].task.cache_key.value


def started(plane: FakePlane) -> None:
    plane.answer("upload_inputs", dataproxy_service_pb2.UploadInputsResponse())
    plane.answer("create_run", run_service_pb2.CreateRunResponse(run=run_definition_pb2.Run()))


def test_it_is_started_by_its_name(plane: FakePlane) -> None:
    started(plane)
    flyte.run(Task.get("far.work", auto_version="latest"), n=2)
    (request,) = plane.requests("create_run")
    assert request.task_id == identifier()
    assert not request.HasField("task_spec")
    names = {pair.key for pair in request.run_spec.envs.values}
    assert not names & {"VIRTUAL_ENV", "_F_SYS_PATH"}, "the deployed task says where its code is"
    (upload,) = plane.requests("upload_inputs")
    assert [each.name for each in upload.inputs.literals] == ["n"]


def test_what_was_overridden_is_sent_along(plane: FakePlane) -> None:
    started(plane)
    task = Task.get("far.work", auto_version="latest").override(retries=9, queue="fast")
    flyte.run(task, n=2)
    flyte.with_runcontext(disable_run_cache=True).run(task.fetch(), n=2)
    first, second = plane.requests("create_run")
    assert first.task_spec.task_template.metadata.retries.retries == 9
    assert first.task_spec.task_template.id.version == "v2"
    assert first.run_spec.queue == "fast"
    assert not second.task_spec.task_template.metadata.discoverable


def test_in_this_process_it_cannot_run(plane: FakePlane) -> None:
    task = Task.get("far.work", auto_version="latest")
    with pytest.raises(errors.RemoteTaskUsageError, match="does not have its code"):
        flyte.with_runcontext(mode="local").run(task, n=1)
    with pytest.raises(errors.RemoteTaskUsageError, match="by name"):
        flyte.run(task, 1)
    with pytest.raises(errors.RemoteTaskUsageError, match="cannot change 'reusable'"):
        task.override(reusable="off")
    assert plane.requests("create_run") == []


def test_listing(plane: FakePlane) -> None:
    user = identity_pb2.EnrichedIdentity()
    user.user.spec.first_name = "ada"
    made = listed("far.work")
    made.tasks[0].metadata.deployed_by.CopyFrom(user)
    made.tasks[0].metadata.environment_name = "far"
    plane.answers["list_tasks"].clear()
    plane.answer("list_tasks", made)
    (task,) = Task.listall(by_task_name="far.work", by_task_env="far", entrypoint=True)
    assert (task.name, task.version, task.environment) == ("far.work", "v2", "far")
    assert task.deployed_by == "ada"
    assert task.url == "http://fake:1/v2/domain/d/project/p/tasks/far.work"
    assert task.entrypoint is False
    (asked,) = plane.requests("list_tasks")
    assert [each.field for each in asked.request.filters] == ["name", "environment_name"]
    assert asked.known_filters[0].is_entrypoint


def test_two_calls_at_once_fetch_once(plane: FakePlane) -> None:
    task = Task.get("far.work", auto_version="latest")

    async def both() -> None:
        one, two = await asyncio.gather(task.fetch.aio(), task.fetch.aio())
        assert one is two

    asyncio.run(both())
    assert len(plane.requests("get_task_details")) == 1
