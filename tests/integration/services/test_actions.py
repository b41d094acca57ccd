"""What a running parent asks over real HTTP: children, traces, the watch, aborts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions import actions_service_pb2
from flyteidl2.common import phase_pb2
from flyteidl2.core import execution_pb2
from flyteidl2.task import task_service_pb2
from flyteidl2.workflow import queue_service_pb2, run_service_pb2, state_service_pb2
from google.protobuf import text_format
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually

from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure

WATCH = actions_service_pb2.WatchForUpdatesRequest(parent_action_id=messages.action_id())


class Parent:
    """A run whose root runs, and the ears of that root."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.base = plane.settings.data / "p" / "development" / "r1"
        self.heard: dict[str, state_service_pb2.ActionUpdate] = {}
        self.sentinels = 0

    async def listen(self) -> None:
        async with aclosing(self.plane.actions.watch_for_updates(WATCH)) as stream:
            async for message in stream:
                if message.HasField("control_message"):
                    self.sentinels += 1
                else:
                    update = message.action_update
                    self.heard[update.action_id.name] = update

    async def started(self, name: str) -> None:
        await eventually(lambda: any(one.action == name for one in self.plane.executor.held))

    async def enqueue(self, *names: str) -> None:
        for name in names:
            await self.plane.actions.enqueue(messages.child(name, self.base))
            await self.started(name)


@asynccontextmanager
async def listening(parent: Parent) -> AsyncIterator[None]:
    task = asyncio.create_task(parent.listen())
    try:
        yield
    finally:
        task.cancel()
        # The client library makes an error of its own of the cancellation, when it comes in the middle of a read.
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def parent(plane: Plane) -> Parent:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    return Parent(plane)


async def test_a_parent_hears_of_its_children_until_they_end(parent: Parent) -> None:
    async with listening(parent):
        await eventually(lambda: parent.sentinels == 1)
        await parent.enqueue("c1")
        await eventually(lambda: parent.heard["c1"].phase == messages.RUNNING)
        assert parent.heard["c1"].output_uri == f"{parent.base}/c1/1"
        await parent.plane.executor.succeed("c1")
        await eventually(lambda: parent.heard["c1"].phase == messages.SUCCEEDED)


async def test_a_parent_that_is_started_again_hears_everything_before_the_sentinel(
    parent: Parent,
) -> None:
    await parent.enqueue("done", "running", "broken")
    (parent.base / "t2").mkdir(parents=True)
    (parent.base / "t2" / "error.pb").write_bytes(
        messages.error_document("KeyError", "no 'x'", recoverable=False)
    )
    await parent.plane.actions.enqueue(messages.trace("t1", parent.base))
    await parent.plane.actions.enqueue(messages.trace("t2", parent.base, failed=True))
    await parent.plane.executor.succeed("done")
    final = Failure("ValueError", "bad", Blame.USER, recoverable=False)
    await parent.plane.executor.fail("broken", final)

    before: list[str] = []
    async with aclosing(parent.plane.actions.watch_for_updates(WATCH)) as stream:
        async for message in stream:
            if message.HasField("control_message"):
                break
            parent.heard[message.action_update.action_id.name] = message.action_update
            before.append(message.action_update.action_id.name)
    assert sorted(before) == ["broken", "done", "running", "t1", "t2"]
    heard = parent.heard
    assert heard["done"].output_uri == f"{parent.base}/done/1"
    assert heard["t1"].phase == messages.SUCCEEDED
    assert heard["t1"].output_uri == f"{parent.base}/t1/outputs.pb"
    assert heard["t2"].phase == messages.FAILED
    assert (heard["t2"].error.code, heard["t2"].error.message) == ("KeyError", "no 'x'")
    assert heard["t2"].error.recoverability == execution_pb2.ContainerError.NON_RECOVERABLE
    assert heard["broken"].error.kind == execution_pb2.ExecutionError.USER
    assert heard["broken"].error.code == "ValueError"


async def test_a_failed_trace_without_a_reason_may_be_called_again(parent: Parent) -> None:
    await parent.plane.actions.enqueue(messages.trace("t1", parent.base, failed=True))
    async with listening(parent):
        await eventually(lambda: "t1" in parent.heard)
    error = parent.heard["t1"].error
    assert error.recoverability == execution_pb2.ContainerError.RECOVERABLE
    assert "'step'" in error.message


async def test_an_action_is_taken_in_once(parent: Parent) -> None:
    await parent.enqueue("c1")
    for request in (messages.child("c1", parent.base), messages.trace("c1", parent.base)):
        with pytest.raises(ConnectError) as refused:
            await parent.plane.actions.enqueue(request)
        assert refused.value.code is Code.ALREADY_EXISTS
    assert parent.plane.executor.launched.count("c1") == 1


async def test_an_abort_reaches_the_grandchildren(parent: Parent) -> None:
    await parent.enqueue("c1")
    await parent.plane.actions.enqueue(messages.child("g1", parent.base, parent="c1"))
    await parent.started("g1")
    async with listening(parent):
        await eventually(lambda: "c1" in parent.heard)
        await parent.plane.actions.abort(
            actions_service_pb2.AbortRequest(action_id=messages.action_id("c1"))
        )
        await eventually(lambda: "g1" in parent.plane.executor.killed)
        await eventually(lambda: parent.heard["c1"].phase == messages.ABORTED)
    with pytest.raises(ConnectError) as refused:
        await parent.plane.actions.enqueue(messages.child("g2", parent.base, parent="c1"))
    assert refused.value.code is Code.ABORTED


async def test_a_cached_child_is_executed_once(parent: Parent) -> None:
    task = messages.spec("env.child", cached=True)
    first = messages.child("c1", parent.base, cache_key="k", task=task)
    await parent.plane.actions.enqueue(first)
    await parent.started("c1")
    await parent.plane.executor.succeed("c1")
    second = messages.child("c2", parent.base, cache_key="k", task=task)
    await parent.plane.actions.enqueue(second)
    async with listening(parent):
        await eventually(lambda: "c2" in parent.heard)
    assert parent.heard["c2"].phase == messages.SUCCEEDED
    assert parent.heard["c2"].output_uri == f"{parent.base}/c1/1"
    assert "c2" not in parent.plane.executor.launched


async def test_a_key_without_caching_means_nothing(parent: Parent) -> None:
    for name in ("c1", "c2"):
        await parent.plane.actions.enqueue(messages.child(name, parent.base, cache_key="k"))
        await parent.started(name)
        await parent.plane.executor.succeed(name)
    assert parent.plane.executor.launched == ["a0", "c1", "c2"]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ("action_id { name: '' }", Code.INVALID_ARGUMENT, "run.project"),
        ("parent_action_name: ''", Code.INVALID_ARGUMENT, "parent_action_name"),
        ("input_uri: ''", Code.INVALID_ARGUMENT, "input_uri"),
        ("condition {}", Code.INVALID_ARGUMENT, "condition"),
        ("parent_action_name: 'nobody'", Code.NOT_FOUND, "nobody"),
    ],
)
async def test_a_bad_child_is_refused_for_good(
    parent: Parent, change: str, code: Code, says: str
) -> None:
    request = messages.child("c1", parent.base)
    for field in text_format.Parse(change, actions_service_pb2.Action()).ListFields():
        request.action.ClearField(field[0].name)
    text_format.Merge(change, request.action)
    with pytest.raises(ConnectError) as refused:
        await parent.plane.actions.enqueue(request)
    assert refused.value.code is code
    assert says in refused.value.message


async def test_the_older_names_do_the_same(parent: Parent) -> None:
    new = messages.child("c1", parent.base).action
    request = queue_service_pb2.EnqueueActionRequest(
        action_id=new.action_id,
        parent_action_name="a0",
        input_uri=new.input_uri,
        run_output_base=new.run_output_base,
        task=new.task,
    )
    await parent.plane.queue.enqueue_action(request)
    await parent.started("c1")
    watch = state_service_pb2.WatchRequest(parent_action_id=messages.action_id())
    async with aclosing(parent.plane.state.watch(watch)) as stream:
        names: list[str] = []
        async for message in stream:
            if message.HasField("control_message"):
                break
            names.append(message.action_update.action_id.name)
    assert names == ["c1"]
    await parent.plane.queue.abort_queued_run(
        queue_service_pb2.AbortQueuedRunRequest(run_id=messages.run_id())
    )
    await eventually(lambda: "a0" in parent.plane.executor.killed)


async def test_children_of_deployed_tasks_may_be_named_without_their_spec(parent: Parent) -> None:
    deployed = messages.spec("env.child")
    await parent.plane.tasks.deploy_task(
        task_service_pb2.DeployTaskRequest(task_id=messages.task_id("env.child"), spec=deployed)
    )
    request = messages.child("c1", parent.base)
    request.action.task.ClearField("spec")
    await parent.plane.actions.enqueue(request)
    await parent.started("c1")
    found = await parent.plane.runs.get_action_details(
        run_service_pb2.GetActionDetailsRequest(action_id=messages.action_id("c1"))
    )
    assert found.details.task == deployed


async def test_a_watch_that_nobody_reads_any_more_is_released(parent: Parent) -> None:
    stream = parent.plane.actions.watch_for_updates(WATCH)
    assert (await anext(aiter(stream))).HasField("control_message")
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    bus = parent.plane.app.parts.watching._bus
    await eventually(
        lambda: not any(topic[0] == "stopping" for topic in bus._subscribers), timeout_seconds=8
    )


async def test_who_wishes_so_hears_after_the_snapshot_only_of_ends(plane: Plane) -> None:
    parent = Parent(plane)
    await plane.runs.create_run(messages.create())
    await parent.started("a0")
    await parent.enqueue("before")
    wish = {"x-flyte-updates": "ends"}
    async with aclosing(plane.actions.watch_for_updates(WATCH, headers=wish)) as stream:
        first = await anext(stream)
        assert first.action_update.action_id.name == "before"
        assert (await anext(stream)).control_message.sentinel
        await parent.enqueue("c1", "c2")
        await plane.executor.succeed("c2")
        await plane.executor.succeed("c1")
        heard = [(await anext(stream)).action_update for _ in range(2)]
        assert [update.action_id.name for update in heard] == ["c2", "c1"]
        assert all(update.phase == phase_pb2.ACTION_PHASE_SUCCEEDED for update in heard)
