from collections.abc import Iterator
from typing import Any

import pytest
from flyteidl2.common import phase_pb2
from flyteidl2.logs.dataplane import payload_pb2
from flyteidl2.workflow import run_definition_pb2 as d
from flyteidl2.workflow import run_logs_service_pb2, run_service_pb2
from tests.fakes.remote_plane import FakePlane, attached, gone

from flyte import _session, errors
from flyte.remote import Action

RUNNING = phase_pb2.ACTION_PHASE_RUNNING
SUCCEEDED = phase_pb2.ACTION_PHASE_SUCCEEDED
FAILED = phase_pb2.ACTION_PHASE_FAILED


def state(phase: int, attempts: int = 1) -> run_service_pb2.GetActionDetailsResponse:
    found = d.ActionDetails(status=d.ActionStatus(phase=phase, attempts=attempts))
    return run_service_pb2.GetActionDetailsResponse(details=found)


def lines(*texts: str, **fields: Any) -> run_logs_service_pb2.TailLogsResponse:
    found = [payload_pb2.LogLine(message=text, **fields) for text in texts]
    group = run_logs_service_pb2.TailLogsResponse.Logs(lines=found)
    return run_logs_service_pb2.TailLogsResponse(logs=[group])


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    """A backend that has only the public protocol, unless a test says what `LogService` answers."""
    plane = FakePlane()
    plane.answer("LogService/Read", gone("unimplemented"))
    with _session.using(attached(plane)):
        yield plane


@pytest.fixture
def action() -> Action:
    return Action(d.Action())


def test_a_finished_log_is_read_to_its_end(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(SUCCEEDED, attempts=2))
    plane.stream("tail_logs", [lines("a", "b"), lines(), lines("c\n")])
    assert list(action.get_logs()) == ["a", "b", "c"]
    assert plane.requests("tail_logs")[0].attempt == 2, "the latest attempt unless asked otherwise"


def test_a_lost_connection_loses_and_repeats_nothing(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(RUNNING), state(SUCCEEDED))
    plane.stream("tail_logs", [lines("a"), lines("b"), gone()], [lines("a", "b", "c")])
    assert list(action.get_logs()) == ["a", "b", "c"]


def test_following_goes_on_with_the_next_attempt(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(RUNNING, 1), state(RUNNING, 2), state(SUCCEEDED, 2))
    plane.stream("tail_logs", [lines("first")], [lines("second")])
    assert list(action.get_logs()) == ["first", "second"]
    assert [request.attempt for request in plane.requests("tail_logs")] == [1, 2]


def test_one_attempt_is_read_alone(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(SUCCEEDED, 2))
    plane.stream("tail_logs", [lines("first")])
    assert list(action.get_logs(attempt=1)) == ["first"]


def test_an_action_that_has_not_started_is_waited_for(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(RUNNING), state(RUNNING), state(SUCCEEDED))
    plane.stream("tail_logs", [gone("not_found")], [lines("a")])
    assert list(action.get_logs()) == ["a"]


def test_an_action_that_never_wrote_a_log_says_so(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(SUCCEEDED))
    plane.stream("tail_logs", [gone("not_found")])
    with pytest.raises(errors.LogsNotYetAvailableError, match="wrote no logs in attempt 1"):
        list(action.get_logs())


async def test_times_are_shown_and_the_platform_left_out(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(SUCCEEDED))
    system = lines("pulling", originator=payload_pb2.SYSTEM)
    user = lines("hello", timestamp={"seconds": 0})
    plane.stream("tail_logs", [system, user])
    found = [line async for line in action.get_logs.aio(filter_system=True, show_ts=True)]
    assert found == ["1970-01-01T00:00:00+00:00 hello"]


def test_show_prints_the_end_of_a_finished_log(
    plane: FakePlane, action: Action, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.answer("get_action_details", state(FAILED))
    plane.stream("tail_logs", [lines("a", "b", "c")], [lines("a", "b", "c")])
    action.show_logs(max_lines=2)
    assert capsys.readouterr().out == "b\nc\n"
    action.show_logs(max_lines=2, raw=True)
    assert capsys.readouterr().out == "a\nb\nc\n"


def answer(records: str = "", *, over: bool = False, events: str = "") -> dict[str, Any]:
    cursor = f"0:{len(records)}"
    return {"attempt": 1, "records": records, "cursor": cursor, "events": events, "over": over}


def own(plane: FakePlane, *answers: Any) -> None:
    plane.answers["LogService/Read"].clear()
    plane.answer("LogService/Read", *answers)


def stamped(stream: str, kind: str, text: str, second: int = 1) -> str:
    return f"{second * 1_000_000:016d}{stream}{kind} {text}\n"


def test_stored_records_become_lines(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(SUCCEEDED))
    progress = "".join(stamped("e", "r", f"{n} %") for n in range(3))
    document = '{"level": "INFO", "message": "trained", "fields": {"loss": 0.1}}'
    own(
        plane,
        answer(stamped("o", "+", "hel") + stamped("e", " ", "other") + stamped("o", " ", "lo")),
        answer(progress + stamped("e", " ", "100 %") + stamped("e", "j", document) + "as it is\n"),
        answer(stamped("o", "+", "no end") + stamped("s", "$", "")),
        answer(over=True),
    )
    assert list(action.get_logs()) == [
        *("other", "hello", "100 %", "INFO trained loss=0.1", "as it is", "no end")
    ]


def test_a_question_goes_on_where_the_last_answer_ended(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(RUNNING), state(SUCCEEDED))
    first = answer(stamped("o", " ", "a"))
    own(plane, first, gone(), answer(stamped("o", " ", "b")), answer(over=True))
    assert list(action.get_logs()) == ["a", "b"]
    cursors = [request["cursor"] for request in plane.requests("LogService/Read")]
    assert cursors[:3] == ["", first["cursor"], first["cursor"]]


def test_an_event_is_told_once_and_can_be_left_out(plane: FakePlane, action: Action) -> None:
    plane.answer("get_action_details", state(RUNNING), state(SUCCEEDED))
    queued = stamped("s", " ", "queued")
    more = queued + stamped("s", " ", "waits for its turn")
    answers = (answer(events=queued), answer(events=more), answer(events=more, over=True))
    own(plane, *answers)
    assert list(action.get_logs()) == ["queued", "waits for its turn"]
    own(plane, *answers)
    assert list(action.get_logs(filter_system=True)) == []


def test_a_line_without_an_end_is_shown_when_it_does_not_go_on(
    plane: FakePlane, action: Action
) -> None:
    plane.answer("get_action_details", state(SUCCEEDED))
    own(
        plane,
        answer(stamped("o", "+", "name? ")),
        answer(),
        answer(stamped("o", " ", "me"), over=True),
    )
    assert list(action.get_logs()) == ["name? ", "me"]
    waits = [request["wait_ms"] for request in plane.requests("LogService/Read")]
    assert waits[1] < waits[0], "and it is not waited for long"
