from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flyteidl2.common import identifier_pb2, phase_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.workflow import run_definition_pb2 as d
from flyteidl2.workflow import run_service_pb2 as r
from google.protobuf.timestamp_pb2 import Timestamp
from tests.fakes.remote_plane import FakePlane, attached, gone

from flyte import _session, errors
from flyte._interface import NativeInterface
from flyte._kit import aio
from flyte._phases import ActionPhase
from flyte._wire import interfaces, values
from flyte.remote import Action, ActionDetails, Run, RunDetails

QUEUED = phase_pb2.ACTION_PHASE_QUEUED
RUNNING = phase_pb2.ACTION_PHASE_RUNNING
SUCCEEDED = phase_pb2.ACTION_PHASE_SUCCEEDED
FAILED = phase_pb2.ACTION_PHASE_FAILED
ABORTED = phase_pb2.ACTION_PHASE_ABORTED
TIMED_OUT = phase_pb2.ACTION_PHASE_TIMED_OUT


def score(folds: int, name: str = "x") -> float:
    return folds / 2


INTERFACE = NativeInterface.from_callable(score)


def action_id(name: str = "a0", run: str = "r1") -> identifier_pb2.ActionIdentifier:
    run_id = identifier_pb2.RunIdentifier(org="local", project="p", domain="d", name=run)
    return identifier_pb2.ActionIdentifier(run=run_id, name=name)


def action(phase: int, name: str = "a0", **status: Any) -> d.Action:
    metadata = d.ActionMetadata(parent="" if name == "a0" else "a0")
    metadata.task.id.name = "digits.score"
    return d.Action(
        id=action_id(name),
        metadata=metadata,
        status=d.ActionStatus(phase=phase, attempts=1, **status),
    )


def details(phase: int, name: str = "a0", **fields: Any) -> d.ActionDetails:
    short = action(phase, name)
    message = d.ActionDetails(id=short.id, metadata=short.metadata, status=short.status, **fields)
    message.task.task_template.interface.CopyFrom(interfaces.typed(INTERFACE))
    return message


def told(phase: int, **fields: Any) -> r.WatchActionDetailsResponse:
    return r.WatchActionDetailsResponse(details=details(phase, **fields))


def answered(phase: int, name: str = "a0", **fields: Any) -> r.GetActionDetailsResponse:
    return r.GetActionDetailsResponse(details=details(phase, name, **fields))


def data() -> dataproxy_service_pb2.GetActionDataResponse:
    return dataproxy_service_pb2.GetActionDataResponse(
        inputs=aio.drive(values.inputs(INTERFACE, {"folds": 75, "name": "x"})),
        outputs=aio.drive(values.outputs(INTERFACE, 37.5)),
    )


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    plane = FakePlane()
    with _session.using(attached(plane)):
        yield plane


@pytest.fixture
def run() -> Run:
    return Run(d.Run(action=action(QUEUED)), INTERFACE)


def test_a_handle_says_what_it_knows(run: Run, plane: FakePlane) -> None:
    assert run.name == "r1"
    assert run.phase is ActionPhase.QUEUED
    assert not run.done()
    assert run.url == "http://fake:1/v2/domain/d/project/p/runs/r1"
    assert repr(run) == f"Run(r1, digits.score, queued, {run.url})"
    assert run.action.parent_name is None
    assert run.to_dict()["action"]["id"]["name"] == "a0"


def test_wait_ends_with_the_run_and_brings_the_handle_up_to_date(
    run: Run, plane: FakePlane
) -> None:
    plane.stream("watch_action_details", [told(QUEUED), told(RUNNING), told(SUCCEEDED)])
    assert run.wait() is None
    assert run.done()
    assert run.phase is ActionPhase.SUCCEEDED


def test_wait_survives_a_lost_connection(run: Run, plane: FakePlane) -> None:
    plane.stream("watch_action_details", [told(RUNNING), gone()], [told(RUNNING)], [told(FAILED)])
    run.wait(quiet=True)
    assert run.phase is ActionPhase.FAILED, "and a failure is not raised"


def test_wait_can_end_when_the_run_runs(run: Run, plane: FakePlane) -> None:
    plane.stream("watch_action_details", [told(QUEUED), told(RUNNING), told(SUCCEEDED)])
    run.wait(wait_for="running")
    assert run.phase is ActionPhase.RUNNING


async def test_watch_gives_every_change(run: Run, plane: FakePlane) -> None:
    plane.stream("watch_action_details", [told(QUEUED), told(RUNNING), told(SUCCEEDED)])
    phases = [change.phase async for change in run.watch()]
    assert phases == [ActionPhase.QUEUED, ActionPhase.RUNNING, ActionPhase.SUCCEEDED]


async def test_every_verb_can_be_awaited(run: Run, plane: FakePlane) -> None:
    plane.stream("watch_action_details", [told(SUCCEEDED)])
    plane.answer("get_action_data", data())
    await run.wait.aio()
    assert await run.outputs.aio() == (37.5,)
    assert (await run.inputs.aio())["folds"] == 75


def test_outputs_come_in_declared_types_and_are_fetched_once(run: Run, plane: FakePlane) -> None:
    plane.answer("get_action_details", answered(SUCCEEDED))
    plane.answer("get_action_data", data())
    assert repr(run.outputs()) == "ActionOutputs(o0=37.5)"
    assert repr(run.inputs()) == "ActionInputs(folds=75, name='x')"
    assert run.output_literals()["o0"].scalar.primitive.float_value == 37.5
    assert len(plane.requests("get_action_details")) == 1
    assert len(plane.requests("get_action_data")) == 1


def test_a_run_by_name_has_guessed_types(plane: FakePlane) -> None:
    plane.answer(
        "get_run_details",
        r.GetRunDetailsResponse(details=d.RunDetails(action=details(SUCCEEDED))),
    )
    plane.answer("get_action_data", data())
    run = Run.get("r1")
    assert run.interface is None
    assert run.outputs().o0 == 37.5
    (request,) = plane.requests("get_run_details")
    assert (request.run_id.project, request.run_id.domain, request.run_id.name) == ("p", "d", "r1")


def test_outputs_of_a_run_that_goes_on_are_not_there_yet(run: Run, plane: FakePlane) -> None:
    plane.answer("get_action_details", answered(RUNNING))
    with pytest.raises(errors.RuntimeUserError, match=r"r1/a0 is running .* call wait\(\) first"):
        run.outputs()


USER_ERROR = d.ErrorInfo(message="no rows", code="ValueError", kind=d.ErrorInfo.KIND_USER)
OOM = d.ErrorInfo(message="too big", code="OOMKilled", kind=d.ErrorInfo.KIND_USER)
BROKEN = d.ErrorInfo(message="disk", code="Lost", kind=d.ErrorInfo.KIND_SYSTEM)


@pytest.mark.parametrize(
    ("phase", "fields", "kind", "code"),
    [
        (FAILED, {"error_info": USER_ERROR}, errors.RuntimeUserError, "ValueError"),
        (FAILED, {"error_info": OOM}, errors.OOMError, "OOMKilled"),
        (FAILED, {"error_info": BROKEN}, errors.RuntimeSystemError, "Lost"),
        (FAILED, {}, errors.RuntimeUnknownError, "Unknown"),
        (TIMED_OUT, {}, errors.TaskTimeoutError, "TaskTimeoutError"),
        (ABORTED, {}, errors.ActionAbortedError, "ActionAbortedError"),
        (
            ABORTED,
            {"abort_info": d.AbortInfo(reason="too slow")},
            errors.ActionAbortedError,
            "ActionAbortedError",
        ),
    ],
)
def test_a_failed_run_raises_the_error_that_a_caller_of_the_task_gets(
    run: Run,
    plane: FakePlane,
    phase: int,
    fields: dict[str, Any],
    kind: type[errors.BaseRuntimeError],
    code: str,
) -> None:
    plane.answer("get_action_details", answered(phase, **fields))
    for ask in (run.outputs, run.raise_for_status):
        with pytest.raises(kind) as raised:
            ask()
        assert raised.value.code == code
    if "abort_info" in fields:
        assert str(raised.value) == "too slow"


def test_a_run_that_did_not_fail_raises_nothing(run: Run, plane: FakePlane) -> None:
    plane.answer("get_action_details", answered(RUNNING), answered(SUCCEEDED))
    run.raise_for_status()
    run.raise_for_status()


def test_first_failure_is_the_earliest(run: Run, plane: FakePlane) -> None:
    late = action(FAILED, "c1", end_time=Timestamp(seconds=20))
    early = action(FAILED, "c2", end_time=Timestamp(seconds=10))
    plane.answer("list_actions", r.ListActionsResponse(actions=[late, early]))
    plane.answer("get_action_details", answered(FAILED, "c2", error_info=USER_ERROR))
    failure = run.first_failure()
    assert failure is not None
    assert failure.name == "c2"
    assert failure.error_message == "no rows"
    (request,) = plane.requests("list_actions")
    assert list(request.request.filters[0].values) == ["6", "8", "7"]


def test_a_run_without_failures_has_no_first_one(run: Run, plane: FakePlane) -> None:
    plane.answer("list_actions", r.ListActionsResponse())
    assert run.first_failure() is None


def test_actions_of_a_run_in_another_project_are_those_of_the_run(plane: FakePlane) -> None:
    message = d.Run(action=action(RUNNING))
    message.action.id.run.project = "other"
    plane.answer("list_actions", r.ListActionsResponse(actions=[action(RUNNING, "c1")]))
    assert [child.name for child in Run(message).actions()] == ["c1"]
    assert plane.requests("list_actions")[0].run_id.project == "other"


def test_abort_names_run_and_reason(run: Run, plane: FakePlane) -> None:
    plane.answer("abort_run", r.AbortRunResponse())
    run.abort("enough")
    (request,) = plane.requests("abort_run")
    assert (request.run_id.name, request.reason) == ("r1", "enough")


def test_an_action_is_aborted_alone(plane: FakePlane) -> None:
    plane.answer("abort_action", r.AbortActionResponse())
    Action(action(RUNNING, "c1")).abort("enough")
    (request,) = plane.requests("abort_action")
    assert (request.action_id.name, request.reason) == ("c1", "enough")


@pytest.mark.parametrize(
    ("ask", "method", "what"),
    [
        (lambda: Run.get("nope"), "get_run_details", "run nope in p/d does not exist; .*get run"),
        (lambda: RunDetails.get("nope"), "get_run_details", "run nope"),
        (
            lambda: Action.get(run_name="r1", name="zz"),
            "get_action_details",
            "action r1/zz does not exist; .*flyte get action r1",
        ),
        (lambda: list(Action.listall("nope")), "list_actions", "run nope does not exist"),
    ],
)
def test_what_does_not_exist_is_named(plane: FakePlane, ask: Any, method: str, what: str) -> None:
    plane.answer(method, gone("not_found"))
    with pytest.raises(errors.ActionNotFoundError, match=what):
        ask()


def test_an_action_needs_the_name_of_its_run(plane: FakePlane) -> None:
    with pytest.raises(errors.DefinitionError, match="pass run_name="):
        Action.get(name="a0")


def test_runs_are_listed_with_filters(plane: FakePlane) -> None:
    plane.answer("list_runs", r.ListRunsResponse(runs=[d.Run(action=action(SUCCEEDED))]))
    found = list(
        Run.listall(in_phase=("succeeded",), task_name="digits.score", project="q", limit=5)
    )
    assert [run.name for run in found] == ["r1"]
    (request,) = plane.requests("list_runs")
    assert (request.project_id.name, request.project_id.domain) == ("q", "d")
    assert [each.field for each in request.request.filters] == ["phase", "task_name"]
    assert request.request.limit == 5


def seconds(start: float, end: float | None = None) -> dict[str, Timestamp]:
    moments = {"start_time": start, "end_time": end}
    return {name: Timestamp(seconds=int(at)) for name, at in moments.items() if at is not None}


def test_details_tell_attempts_and_times() -> None:
    attempts = [
        d.ActionAttempt(attempt=1, phase=FAILED),
        d.ActionAttempt(
            attempt=2,
            phase=SUCCEEDED,
            logs_available=True,
            phase_transitions=[
                d.PhaseTransition(phase=QUEUED, **seconds(10, 13)),
                d.PhaseTransition(phase=RUNNING, **seconds(13, 18)),
                d.PhaseTransition(phase=QUEUED, **seconds(18, 19)),
            ],
        ),
    ]
    found = ActionDetails(details(SUCCEEDED, attempts=attempts))
    found.pb2.status.attempts = 2
    found.pb2.status.start_time.seconds = 10
    found.pb2.status.end_time.seconds = 20
    assert found.attempts == 2
    assert found.runtime == timedelta(seconds=10)
    assert found.queued_time == timedelta(seconds=4)
    assert found.running_time == timedelta(seconds=5)
    assert found.initializing_time is None
    assert found.logs_available()
    assert not found.logs_available(1)
    assert [each.phase for each in found.get_phase_transitions(1)] == []
    assert found.cache_status == "CACHE_DISABLED"


def test_details_tell_where_the_code_is() -> None:
    found = ActionDetails(details(SUCCEEDED))
    assert found.code_bundle is None
    found.pb2.task.task_template.container.args.extend(["a0", "--tgz", "/b/fast1.tar.gz"])
    found.pb2.metadata.task.id.version = "v1"
    assert found.code_bundle is not None
    assert found.code_bundle.tgz == "/b/fast1.tar.gz"
    assert found.code_bundle.computed_version == "v1"


def test_a_trace_has_a_name_too() -> None:
    metadata = d.ActionMetadata(trace=d.TraceActionMetadata(name="features"))
    found = Action(d.Action(id=action_id("t1"), metadata=metadata))
    assert found.task_name == "features"
    assert repr(found) == "Action(r1/t1, features, queued)"
