"""What stands in place of a phase while an action is being ended: from the row to what a client reads."""

from dataclasses import replace

import pytest
from flyteidl2.workflow import run_definition_pb2
from google.protobuf import json_format

from flyte._wire import statuses
from flyte.remote import Action as ActionHandle
from flyte.remote import ActionDetails
from flyte.remote import Run as RunHandle
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, Failure, Run
from flyte_server.services.wire.actions import Views

ROW = Action(
    run_id=1,
    name="a0",
    parent=None,
    kind=Kind.TASK,
    phase=Phase.RUNNING,
    task_name="env.task",
    created_at=1_000_000,
    attempt=1,
)
RUN = Run(1, "p", "development", "r", b"", {}, 0, 1_000_000, 1)
VIEWS = Views("ann")
ABORTING = replace(ROW, aborting="enough", ending_since=5_000_000)
STOPPING = replace(ROW, stopping=Failure("MaxRuntimeExceeded", "too long"), ending_since=5_000_000)


def received(row: Action) -> ActionHandle:
    """The action as a client gets it in a list: over the wire and back."""
    sent = VIEWS.action(RUN, row).SerializeToString()
    return ActionHandle(run_definition_pb2.Action.FromString(sent))


def test_an_abort_that_goes_on_is_told_with_its_reason_its_time_and_its_author() -> None:
    action = received(ABORTING)
    assert (action.state, action.aborting, str(action.phase)) == ("aborting", "enough", "running")
    assert action.ending is not None
    assert action.ending.since is not None
    assert action.ending.since.timestamp() == 5
    assert str(action.ending) == "aborting by ann: enough"
    assert not action.done()


def test_a_time_limit_that_is_hit_is_told() -> None:
    action = received(STOPPING)
    assert (action.state, action.aborting) == ("timing out", None)
    assert str(action.ending) == "timing out: too long"


@pytest.mark.parametrize("row", [ROW, replace(ABORTING, phase=Phase.ABORTED)])
def test_nothing_is_told_before_and_after(row: Action) -> None:
    action = received(row)
    assert action.ending is None
    assert action.state == str(action.phase)
    assert "ending" not in action.to_dict()


def test_documents_have_it() -> None:
    expected = {
        "kind": "aborting",
        "reason": "enough",
        "since": "1970-01-01T00:00:05+00:00",
        "by": "ann",
    }
    run = RunHandle(VIEWS.run(RUN, ABORTING))
    assert run.to_dict()["ending"] == received(ABORTING).to_dict()["ending"] == expected
    assert (run.state, run.aborting) == ("aborting", "enough")


def test_details_have_the_reason_where_every_client_looks_for_it() -> None:
    details = ActionDetails(VIEWS.details(RUN, ABORTING, spec=b"", attempts=()))
    assert details.abort_info is not None
    assert details.abort_info.reason == "enough"
    assert details.error() is None, "it has not ended"
    assert details.to_dict()["ending"]["reason"] == "enough"


def test_other_clients_see_the_public_message_and_nothing_else() -> None:
    message = VIEWS.action(RUN, ABORTING)
    assert json_format.MessageToDict(message) == json_format.MessageToDict(VIEWS.action(RUN, ROW))


def test_it_survives_copies() -> None:
    copy = run_definition_pb2.ActionStatus()
    copy.CopyFrom(VIEWS.status(ABORTING))
    assert statuses.ending(copy) == statuses.ending(VIEWS.status(ABORTING))


def test_a_reason_of_any_script_arrives_and_a_long_one_is_shortened_in_lists() -> None:
    reason = "zu viel, 過多; " * 100
    row = replace(ABORTING, aborting=reason)
    assert received(row).aborting == reason[:500]
    details = ActionDetails(VIEWS.details(RUN, row, spec=b"", attempts=()))
    assert details.abort_info is not None
    assert details.abort_info.reason == reason
