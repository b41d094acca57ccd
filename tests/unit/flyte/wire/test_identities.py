"""Names of runs, actions and phases as messages."""

import pytest
from flyteidl2.common import phase_pb2

from flyte._ids import ActionID
from flyte._phases import ActionPhase
from flyte._wire import ids, statuses

ACTION = ActionID(name="a0", run_name="r1", project="p", domain="d", org="o")


def test_an_action_keeps_its_identity() -> None:
    message = ids.action(ACTION)

    assert (message.run.org, message.run.project, message.run.domain) == ("o", "p", "d")
    assert (message.run.name, message.name) == ("r1", "a0")
    assert ids.action_id(message) == ACTION
    assert ids.run(ACTION) == message.run


def test_empty_parts_are_none() -> None:
    assert ids.action_id(ids.action(ActionID(name="a0"))) == ActionID(name="a0")


def test_a_project() -> None:
    message = ids.project("p", "d", None)

    assert (message.name, message.domain, message.organization) == ("p", "d", "")


@pytest.mark.parametrize("phase", ActionPhase)
def test_phases_are_the_protocols(phase: ActionPhase) -> None:
    number = statuses.number(phase)

    assert phase_pb2.ActionPhase.Name(number) == f"ACTION_PHASE_{phase.name}"
    assert statuses.phase(number) is phase
    assert statuses.is_terminal(number) == phase.is_terminal


def test_an_unknown_phase_is_not_an_end() -> None:
    assert statuses.phase(999) is ActionPhase.QUEUED
    assert not statuses.is_terminal(0)
