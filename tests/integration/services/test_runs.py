"""Runs over real HTTP: created, watched, read, listed, stopped."""

import asyncio

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import list_pb2
from flyteidl2.core import catalog_pb2, literals_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.task import run_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane, content, write
from tests.support import eventually

from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure


async def started(plane: Plane, name: str) -> None:
    await eventually(lambda: any(one.action == name for one in plane.executor.held))


def write_outputs(plane: Plane, name: str, **values: int) -> None:
    spec = plane.executor.held[plane.executor.attempt(name)]
    write(f"{spec.output_prefix}/outputs.pb", messages.outputs(**values).SerializeToString())


async def test_a_run_from_creation_to_outputs(plane: Plane) -> None:
    uploaded = await plane.data.upload_inputs(
        dataproxy_service_pb2.UploadInputsRequest(
            project_id=messages.PROJECT, task_spec=messages.spec(), inputs=messages.inputs(n=3)
        )
    )
    data = uploaded.offloaded_input_data
    assert data.inputs_hash
    assert content(f"{data.uri}/inputs.pb")

    created = await plane.runs.create_run(messages.create(offloaded_input_data=data))
    root = created.run.action
    assert (root.id.run.org, root.id.run.project, root.id.run.name, root.id.name) == (
        "local",
        "p",
        "r1",
        "a0",
    )
    assert root.metadata.task.id.name == "env.main"
    assert root.status.attempts == 1

    watch = plane.runs.watch_action_details(
        run_service_pb2.WatchActionDetailsRequest(action_id=messages.action_id())
    )
    await started(plane, "a0")
    write_outputs(plane, "a0", o0=7)
    await plane.executor.succeed("a0")
    seen = [update.details async for update in watch]  # ends by itself after the terminal phase

    last = seen[-1]
    assert last.status.phase == messages.SUCCEEDED
    assert last.task.task_template.id.name == "env.main"
    assert last.metadata.task.task_type == "python"
    (attempt,) = last.attempts
    assert (attempt.attempt, attempt.phase, attempt.logs_available) == (1, messages.SUCCEEDED, True)
    phases = [transition.phase for transition in attempt.phase_transitions]
    assert phases == sorted(phases)
    assert all(transition.HasField("end_time") for transition in attempt.phase_transitions)

    values = await plane.data.get_action_data(
        dataproxy_service_pb2.GetActionDataRequest(action_id=messages.action_id())
    )
    assert values.inputs == messages.inputs(n=3)
    assert values.outputs == messages.outputs(o0=7)
    same = await plane.runs.get_action_data(
        run_service_pb2.GetActionDataRequest(action_id=messages.action_id())
    )
    assert same.outputs == values.outputs
    uris = await plane.runs.get_action_data_u_r_is(
        run_service_pb2.GetActionDataURIsRequest(action_id=messages.action_id())
    )
    assert content(uris.inputs_uri)
    assert content(uris.outputs_uri)


async def test_a_run_without_a_name_gets_one_and_inline_inputs_are_kept(plane: Plane) -> None:
    created = await plane.runs.create_run(messages.create(None, inputs=messages.inputs(n=1)))
    name = created.run.action.id.run.name
    assert name.startswith("r")
    assert len(name) == 20
    values = await plane.runs.get_action_data(
        run_service_pb2.GetActionDataRequest(action_id=messages.action_id(run=name))
    )
    assert values.inputs == messages.inputs(n=1)
    assert not values.outputs.literals


async def test_the_spec_of_the_run_reaches_every_process(plane: Plane) -> None:
    spec = run_pb2.RunSpec(
        labels=run_pb2.Labels(values={"team": "x"}),
        envs=run_pb2.Envs(
            values=[
                literals_pb2.KeyValuePair(key="COLOUR", value="red"),
                literals_pb2.KeyValuePair(key="RUN_NAME", value="mine"),
            ]
        ),
    )
    task = messages.spec(env={"COLOUR": "blue", "SIZE": "2"})
    created = await plane.runs.create_run(messages.create(run_spec=spec, task_spec=task))
    assert created.run.labels == {"team": "x"}
    await started(plane, "a0")
    base = plane.executor.held[plane.executor.attempt("a0")].env["_U_RUN_BASE"]
    await plane.actions.enqueue(messages.child("c1", base))
    await started(plane, "c1")

    for name in ("a0", "c1"):
        launched = plane.executor.held[plane.executor.attempt(name)]
        assert launched.env["COLOUR"] == "red"  # the run's word is above the task's
        assert launched.env["RUN_NAME"] == "r1"  # nobody's word is above the protocol's
        assert launched.env["ACTION_NAME"] == name
        assert launched.env["_U_EP_OVERRIDE"] == plane.settings.address
        assert launched.command == ("a0",)
        assert launched.args[1:] == (
            "--inputs",
            str(launched.args[2]),
            "--outputs-path",
            f"{base}/{name}/1",
            "--name",
            name,
        )
    details = await plane.runs.get_run_details(
        run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id())
    )
    assert details.details.run_spec == spec


async def test_a_failure_is_told_with_its_code_and_retried_as_often_as_allowed(
    plane: Plane,
) -> None:
    await plane.runs.create_run(messages.create(task_spec=messages.spec(retries=1)))
    for _ in range(2):
        await started(plane, "a0")
        await plane.executor.fail("a0", Failure("ValueError", "bad n", Blame.USER))
    request = run_service_pb2.WatchRunDetailsRequest(run_id=messages.run_id())
    last = [update.details async for update in plane.runs.watch_run_details(request)][-1]
    assert last.action.status.phase == messages.FAILED
    assert last.action.status.attempts == 2
    assert (last.action.error_info.code, last.action.error_info.message) == ("ValueError", "bad n")
    assert last.action.error_info.kind == last.action.error_info.KIND_USER
    assert [one.error_info.code for one in last.action.attempts] == ["ValueError", "ValueError"]


async def test_an_equal_cached_run_is_not_executed_again(plane: Plane) -> None:
    task = messages.spec(cached=True)
    await plane.runs.create_run(
        messages.create("first", task_spec=task, inputs=messages.inputs(n=1))
    )
    await started(plane, "a0")
    write_outputs(plane, "a0", o0=7)
    await plane.executor.succeed("a0")

    async def again(name: str, **fields: object) -> run_service_pb2.CreateRunResponse:
        return await plane.runs.create_run(messages.create(name, task_spec=task, **fields))

    hit = await again("second", inputs=messages.inputs(n=1))
    assert hit.run.action.status.phase == messages.SUCCEEDED
    assert hit.run.action.status.cache_status == catalog_pb2.CACHE_HIT
    values = await plane.runs.get_action_data(
        run_service_pb2.GetActionDataRequest(action_id=messages.action_id(run="second"))
    )
    assert values.outputs == messages.outputs(o0=7)

    other = await again("third", inputs=messages.inputs(n=2))
    assert other.run.action.status.cache_status == catalog_pb2.CACHE_MISS
    overwrite = run_pb2.RunSpec(cache_config=run_pb2.CacheConfig(overwrite_cache=True))
    forced = await again("fourth", inputs=messages.inputs(n=1), run_spec=overwrite)
    assert forced.run.action.status.phase == messages.QUEUED


async def test_abort_ends_the_run_and_tells_why(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await started(plane, "a0")
    await plane.runs.abort_run(
        run_service_pb2.AbortRunRequest(run_id=messages.run_id(), reason="not needed")
    )
    request = run_service_pb2.WatchActionDetailsRequest(action_id=messages.action_id())
    last = [one.details async for one in plane.runs.watch_action_details(request)][-1]
    assert last.status.phase == messages.ABORTED
    assert last.abort_info.reason == "not needed"


async def test_runs_and_actions_are_listed_page_by_page(plane: Plane) -> None:
    for number in range(5):
        await plane.runs.create_run(messages.create(f"r{number}"))
    names: list[str] = []
    token = ""
    while True:
        page = await plane.runs.list_runs(
            run_service_pb2.ListRunsRequest(
                project_id=messages.PROJECT, request=list_pb2.ListRequest(limit=2, token=token)
            )
        )
        names += [run.action.id.run.name for run in page.runs]
        token = page.token
        if not token:
            break
    assert names == ["r4", "r3", "r2", "r1", "r0"]

    wanted = list_pb2.Filter(
        function=list_pb2.Filter.VALUE_IN, field="phase", values=["ACTION_PHASE_SUCCEEDED"]
    )
    none = await plane.runs.list_runs(
        run_service_pb2.ListRunsRequest(request=list_pb2.ListRequest(filters=[wanted]))
    )
    assert not none.runs
    listed = await plane.runs.list_actions(
        run_service_pb2.ListActionsRequest(run_id=messages.run_id("r3"))
    )
    assert [action.id.name for action in listed.actions] == ["a0"]


async def test_watch_actions_counts_children_by_phase_and_ends_with_the_run(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await started(plane, "a0")
    base = plane.settings.data / "p" / "development" / "r1"
    for name in ("c1", "c2"):
        await plane.actions.enqueue(messages.child(name, base))
        await started(plane, name)
    counts: dict[int, int] = {}

    async def watch() -> None:
        nonlocal counts
        request = run_service_pb2.WatchActionsRequest(run_id=messages.run_id())
        async for update in plane.runs.watch_actions(request):
            for enriched in update.enriched_actions:
                if enriched.action.id.name == "a0":
                    counts = dict(enriched.children_phase_counts)

    watching = asyncio.create_task(watch())
    await eventually(lambda: counts == {messages.RUNNING: 2})
    await plane.executor.succeed("c1")
    await eventually(lambda: counts == {messages.RUNNING: 1, messages.SUCCEEDED: 1})
    await plane.executor.succeed("c2")
    await plane.executor.succeed("a0")
    await watching
    assert counts == {messages.SUCCEEDED: 2}


async def test_new_runs_appear_in_the_stream_of_a_project(plane: Plane) -> None:
    stream = plane.runs.watch_runs(run_service_pb2.WatchRunsRequest(project_id=messages.PROJECT))
    seen: set[str] = set()

    async def watch() -> None:
        async for update in stream:
            seen.update(run.action.id.run.name for run in update.runs)

    watching = asyncio.create_task(watch())
    await plane.runs.create_run(messages.create("first"))
    await plane.runs.create_run(messages.create("second"))
    await eventually(lambda: seen == {"first", "second"})
    watching.cancel()
    await asyncio.wait([watching])


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (messages.create("no such/name"), Code.INVALID_ARGUMENT, "run.name"),
        (
            run_service_pb2.CreateRunRequest(project_id=messages.PROJECT),
            Code.INVALID_ARGUMENT,
            "task_spec or task_id",
        ),
        (messages.create(task_id=messages.task_id("env.gone")), Code.NOT_FOUND, "flyte deploy"),
        (
            messages.create(
                offloaded_input_data=messages.run_service_pb2.CreateRunRequest().offloaded_input_data
            ),
            Code.FAILED_PRECONDITION,
            "local files only",
        ),
        (
            messages.create(run_spec=run_pb2.RunSpec(run_base_dir="s3://bucket/x")),
            Code.FAILED_PRECONDITION,
            "s3://bucket/x",
        ),
    ],
)
async def test_a_bad_run_is_refused_with_the_field_and_the_next_step(
    plane: Plane, request_: run_service_pb2.CreateRunRequest, code: Code, says: str
) -> None:
    with pytest.raises(ConnectError) as refused:
        await plane.runs.create_run(request_)
    assert refused.value.code is code
    assert says in refused.value.message


async def test_a_name_is_given_once(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    with pytest.raises(ConnectError) as refused:
        await plane.runs.create_run(messages.create())
    assert refused.value.code is Code.ALREADY_EXISTS


async def test_what_does_not_exist_is_named(plane: Plane) -> None:
    with pytest.raises(ConnectError) as refused:
        await plane.runs.get_run_details(
            run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id("nobody"))
        )
    assert refused.value.code is Code.NOT_FOUND
    assert "'nobody'" in refused.value.message
    stream = plane.runs.watch_action_details(
        run_service_pb2.WatchActionDetailsRequest(action_id=messages.action_id(run="nobody"))
    )
    with pytest.raises(ConnectError) as refused:
        _ = [update async for update in stream]
    assert refused.value.code is Code.NOT_FOUND


async def test_methods_that_are_not_there_say_so(plane: Plane) -> None:
    stream = plane.runs.watch_groups(run_service_pb2.WatchGroupsRequest())
    with pytest.raises(ConnectError) as refused:
        _ = [update async for update in stream]
    assert refused.value.code is Code.UNIMPLEMENTED
