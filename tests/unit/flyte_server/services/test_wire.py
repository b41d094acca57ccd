"""Messages to values and back."""

import pytest
from flyteidl2.common import phase_pb2
from flyteidl2.core import literals_pb2, tasks_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import messages

from flyte_server.domain.errors import Invalid
from flyte_server.domain.phases import Blame, CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, Attempt, Failure, Policy, Run
from flyte_server.services.wire import actions, failures, ids, specs, statuses, times

RUN = Run(1, "p", "development", "r1", b"", {"team": "x"}, 2, 1_000_000, 5)
VIEWS = actions.Views("tester")


def action(**fields: object) -> Action:
    values: dict[str, object] = {
        "run_id": 1,
        "name": "c1",
        "parent": "a0",
        "kind": Kind.TASK,
        "phase": Phase.RUNNING,
        "task_name": "env.f",
        "created_at": 10_000_000,
        "output_base": "/d/r1",
        "output_uri": "/d/r1/c1/2",
        "attempt": 2,
    }
    return Action(**{**values, **fields})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_its_number_and_comes_back(phase: Phase) -> None:
    number = statuses.phase(phase)
    assert phase_pb2.ActionPhase.Name(number) == f"ACTION_PHASE_{phase.name}"
    assert statuses.from_phase(number, where="x") is phase


@pytest.mark.parametrize("status", list(CacheStatus))
def test_every_cache_status_has_its_number(status: CacheStatus) -> None:
    assert isinstance(statuses.cache_status(status), int)


def test_an_unknown_phase_names_its_field() -> None:
    with pytest.raises(Invalid, match=r"trace\.phase is 99"):
        statuses.from_phase(99, where="trace.phase")


@given(st.integers(min_value=0, max_value=253_402_300_799_999_999))
def test_times_keep_their_microseconds(moment: int) -> None:
    assert times.micros(times.timestamp(moment)) == moment
    parsed = Timestamp()
    parsed.FromJsonString(times.rfc3339(moment))
    assert times.micros(parsed) == moment


@pytest.mark.parametrize("text", ["a", "r1", "A-b_c.d", "9lives", "x" * 63])
def test_names_that_fit_into_a_path_are_taken(text: str) -> None:
    assert ids.name(text, where="run.name") == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a/b", "a..b", "-a", "ü", "a b", "a\0", "a\n", "x" * 64]
)
def test_names_that_do_not_are_refused_with_their_field(text: str) -> None:
    with pytest.raises(Invalid, match=r"run\.name"):
        ids.name(text, where="run.name")


@pytest.mark.parametrize("recoverable", [True, False])
@pytest.mark.parametrize("blame", list(Blame))
def test_failures_survive_the_error_document(blame: Blame, *, recoverable: bool) -> None:
    failure = Failure("Oops", "it broke", blame, recoverable)
    error = failures.execution_error(failure)
    assert (error.code, error.message) == ("Oops", "it broke")
    document = messages.error_document("Oops", "it broke", recoverable=recoverable)
    assert failures.from_error_document(document).recoverable is recoverable
    assert error.recoverability == (1 if recoverable else 0)


def test_the_rules_of_a_task_are_read_from_its_metadata() -> None:
    metadata = tasks_pb2.TaskMetadata(
        retries=literals_pb2.RetryStrategy(
            retries=3,
            backoff=literals_pb2.Backoff(
                base=Duration(seconds=1, nanos=500_000_000), factor=2.0, cap=Duration(seconds=30)
            ),
        ),
        timeout=Duration(seconds=60),
        timeouts=literals_pb2.TimeoutStrategy(
            queued_timeout=Duration(seconds=5), deadline=Duration(seconds=600)
        ),
    )
    assert specs.policy(
        task_definition_pb2.TaskSpec(task_template=tasks_pb2.TaskTemplate(metadata=metadata))
    ) == Policy(
        retries=3,
        backoff_base_seconds=1.5,
        backoff_factor=2.0,
        backoff_cap_seconds=30.0,
        max_runtime_seconds=60.0,
        max_queued_seconds=5.0,
        deadline_seconds=600.0,
        output_count=0,
    )
    assert specs.policy(task_definition_pb2.TaskSpec()) == Policy(output_count=0)


def test_a_root_is_cached_only_if_its_task_asks_for_it() -> None:
    cached = messages.spec(cached=True).task_template
    assert specs.root_cache_key(messages.spec().task_template, "env.main", "h") is None
    key = specs.root_cache_key(cached, "env.main", "h")
    assert key == specs.root_cache_key(cached, "env.main", "h")
    assert key != specs.root_cache_key(cached, "env.other", "h")
    assert key != specs.root_cache_key(cached, "env.main", "i")
    cached.metadata.discovery_version = "2"
    assert key != specs.root_cache_key(cached, "env.main", "h")


def test_defaults_fill_only_what_was_not_given() -> None:
    default = common_pb2.NamedParameter(name="n")
    default.parameter.default.CopyFrom(messages.inputs(n=7).literals[0].value)
    required = common_pb2.NamedParameter(name="m")
    required.parameter.required = True
    filled = specs.with_defaults(messages.inputs(), [default, required])
    assert filled == messages.inputs(n=7)
    assert specs.with_defaults(messages.inputs(n=1), [default]) == messages.inputs(n=1)


def test_an_action_that_no_process_was_started_for_has_one_attempt() -> None:
    hit = action(
        phase=Phase.SUCCEEDED,
        attempt=0,
        cache_status=CacheStatus.HIT,
        cache_source="r0/c9/3",
        output_uri="/d/r0/c9/3",
        ended_at=12_000_000,
    )
    details = VIEWS.details(RUN, hit, spec=b"", attempts=[])
    (only,) = details.attempts
    assert (only.attempt, only.phase, only.outputs.output_uri) == (1, 5, "/d/r0/c9/3")
    source = only.cache_metadata.source_action_attempt
    assert (source.action_id.run.name, source.action_id.name, source.attempt) == ("r0", "c9", 3)
    assert details.status.attempts == 1
    assert details.status.duration_ms == 2000


def test_a_running_attempt_shows_the_phases_it_went_through() -> None:
    attempt = Attempt(
        1,
        "c1",
        2,
        "t",
        Phase.RUNNING,
        queued_at=1_000_000,
        claimed_at=2_000_000,
        started_at=3_000_000,
    )
    (shown,) = VIEWS.details(RUN, action(), spec=b"", attempts=[attempt]).attempts
    phases = [(one.phase, one.start_time.seconds) for one in shown.phase_transitions]
    assert phases == [(1, 1), (3, 2), (4, 3)]
    assert [one.HasField("end_time") for one in shown.phase_transitions] == [True, True, False]
    assert shown.logs_available


def test_a_parent_hears_of_a_failure_only_when_it_is_final() -> None:
    failure = Failure("ValueError", "bad", Blame.USER)
    running = actions.update(RUN, action(failure=failure))
    assert not running.HasField("error")
    ended = actions.update(RUN, action(failure=failure, phase=Phase.FAILED))
    assert ended.error.code == "ValueError"
    assert ended.output_uri == "/d/r1/c1/2"
    assert ended.action_id.run.org == "local"


def test_a_trace_started_when_its_function_did() -> None:
    trace = action(
        kind=Kind.TRACE,
        phase=Phase.SUCCEEDED,
        created_at=9,
        started_at=5_000_000,
        ended_at=6_500_000,
    )
    shown = VIEWS.action(RUN, trace)
    assert shown.status.start_time.seconds == 5
    assert shown.status.duration_ms == 1500
    assert shown.metadata.trace.name == "env.f"
    assert shown.metadata.executed_by.user.id.subject == "local:tester"
