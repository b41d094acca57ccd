from collections.abc import Iterator

import pytest
from flyteidl2.common import identifier_pb2, phase_pb2
from flyteidl2.workflow import run_definition_pb2 as d
from flyteidl2.workflow import run_service_pb2 as r
from tests.fakes.remote_plane import FakePlane, attached, gone

from flyte import _session, errors
from flyte._phases import ActionPhase
from flyte.remote._progress import Snapshot, snapshots

QUEUED = phase_pb2.ACTION_PHASE_QUEUED
RUNNING = phase_pb2.ACTION_PHASE_RUNNING
SUCCEEDED = phase_pb2.ACTION_PHASE_SUCCEEDED
FAILED = phase_pb2.ACTION_PHASE_FAILED


def action(name: str, phase: int, task: str = "env.child") -> d.Action:
    run = identifier_pb2.RunIdentifier(name="r1")
    metadata = d.ActionMetadata()
    metadata.task.id.name = task
    return d.Action(
        id=identifier_pb2.ActionIdentifier(run=run, name=name),
        metadata=metadata,
        status=d.ActionStatus(phase=phase, attempts=2),
    )


def root(phase: int) -> d.Action:
    return action("a0", phase, "env.main")


def told(*actions: d.Action) -> r.WatchActionsResponse:
    enriched = [d.EnrichedAction(action=each) for each in actions]
    return r.WatchActionsResponse(enriched_actions=enriched)


def cause(text: str) -> r.GetActionDetailsResponse:
    info = d.ErrorInfo(message=text, code="ValueError", kind=d.ErrorInfo.KIND_USER)
    status = d.ActionStatus(phase=FAILED)
    return r.GetActionDetailsResponse(details=d.ActionDetails(error_info=info, status=status))


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    plane = FakePlane()
    with _session.using(attached(plane)):
        yield plane


def test_counts_by_task_and_phase(plane: FakePlane) -> None:
    plane.stream(
        "watch_actions",
        [
            told(root(RUNNING), action("c1", QUEUED), action("c2", RUNNING)),
            r.WatchActionsResponse(),  # a sign of life
            told(action("c1", SUCCEEDED), action("c2", SUCCEEDED), root(SUCCEEDED)),
        ],
    )
    first, last = snapshots("r1")
    assert first.counts == {
        "env.main": {ActionPhase.RUNNING: 1},
        "env.child": {ActionPhase.QUEUED: 1, ActionPhase.RUNNING: 1},
    }
    assert (first.ended, first.total) == (0, 3)
    assert last.phase is ActionPhase.SUCCEEDED
    assert (last.ended, last.total) == (3, 3)


def test_what_is_being_ended_is_counted(plane: FakePlane) -> None:
    """The field with the number 50001 is ours; see `services/wire/endings.py`."""
    aborting = action("c1", RUNNING)
    text = b'{"kind": "aborting", "reason": "enough"}'
    aborting.status.MergeFromString(b"\x8a\xb5\x18" + bytes([len(text)]) + text)
    plane.stream("watch_actions", [told(root(RUNNING), aborting), told(root(SUCCEEDED))])
    first, *_ = snapshots("r1")
    assert first.endings == {"aborting": 1}


def test_a_failure_is_told_once_with_its_cause(plane: FakePlane) -> None:
    plane.answer("get_action_details", cause("no rows\nin table x"))
    plane.stream(
        "watch_actions",
        [told(root(RUNNING), action("c1", FAILED)), gone()],
        [told(root(RUNNING), action("c1", FAILED))],
        [told(root(SUCCEEDED), action("c1", FAILED))],
    )
    found: list[Snapshot] = list(snapshots("r1"))
    failures = [failed for snapshot in found for failed in snapshot.failures]
    (failed,) = failures
    assert (failed.name, failed.task_name, failed.attempts) == ("c1", "env.child", 2)
    assert failed.cause == "ValueError: no rows"


def test_many_failures_at_once_are_counted_but_not_all_asked(plane: FakePlane) -> None:
    plane.answer("get_action_details", cause("no rows"))
    children = [action(f"c{number}", FAILED) for number in range(50)]
    plane.stream("watch_actions", [told(*children, root(FAILED))])
    (only,) = snapshots("r1")
    assert len(only.failures) == 51
    assert sum(bool(failed.cause) for failed in only.failures) == 20
    assert len(plane.requests("get_action_details")) == 20


def test_a_cause_that_cannot_be_had_does_not_stop_the_progress(plane: FakePlane) -> None:
    plane.answer("get_action_details", gone("not_found"))
    plane.stream("watch_actions", [told(root(FAILED))])
    (only,) = snapshots("r1")
    assert only.failures[0].cause == ""


def test_news_of_the_last_children_may_follow_the_end_of_the_run(plane: FakePlane) -> None:
    plane.stream(
        "watch_actions",
        [told(root(SUCCEEDED), action("c1", RUNNING)), told(action("c1", SUCCEEDED))],
    )
    *_, last = snapshots("r1")
    assert last.ended == 2


def test_a_run_is_found_by_its_identifier_or_by_its_name(plane: FakePlane) -> None:
    plane.stream("watch_actions", [told(root(SUCCEEDED))], [told(root(SUCCEEDED))])
    elsewhere = identifier_pb2.RunIdentifier(project="other", domain="x", name="r1")
    assert len(list(snapshots("r1"))) == len(list(snapshots(elsewhere))) == 1
    by_name, by_id = (request.run_id for request in plane.requests("watch_actions"))
    assert (by_name.project, by_id.project) == ("p", "other")


def test_a_run_that_does_not_exist_is_named(plane: FakePlane) -> None:
    plane.stream("watch_actions", [gone("not_found")])
    with pytest.raises(errors.ActionNotFoundError, match="run nope does not exist"):
        list(snapshots("nope"))
