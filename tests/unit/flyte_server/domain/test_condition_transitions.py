"""decide(): conditions, and the tasks that give their processes back while they wait for one."""

from dataclasses import replace

import pytest
from tests.unit.flyte_server.domain.test_transitions import NOW, SECOND, key, queued, running

from flyte_server.domain import answering, limits
from flyte_server.domain.errors import Conflict, Invalid
from flyte_server.domain.events import (
    AbortRequested,
    Answered,
    Claimed,
    Event,
    Parked,
    Resumed,
    Succeeded,
    TimedOut,
)
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, Answer, Policy
from flyte_server.domain.transitions import decide

YES = Answer(value=True, by="user:ada", by_name="ada", channel="cli", at=NOW + SECOND)


def asked(answer_type: str = "bool", timeout_seconds: float = 0.0) -> Action:
    policy = Policy(deadline_seconds=timeout_seconds, answer_type=answer_type)
    made = Action(1, "c", "a0", Kind.CONDITION, Phase.PAUSED, "approve", NOW, policy=policy)
    return replace(made, limit_at=limits.next_at(made))


def parked(action: Action, **fields: object) -> Event:
    return replace(Parked(key(action), NOW + 5 * SECOND, ("c",)), **fields)


def test_an_answer_ends_a_condition_and_stays() -> None:
    done = decide(asked(), Answered(asked().key, YES), NOW + SECOND).action
    assert (done.phase, done.answer, done.ended_at) == (Phase.SUCCEEDED, YES, NOW + SECOND)
    no = replace(YES, value=False)
    again = decide(done, Answered(done.key, no), NOW + 2 * SECOND)
    assert again.ignored is not None
    assert again.action.answer == YES


def test_a_condition_ends_by_its_timeout_and_the_message_says_so() -> None:
    condition = asked(timeout_seconds=60)
    assert condition.limit_at == NOW + 60 * SECOND
    event = limits.hit(condition, NOW + 61 * SECOND)
    assert isinstance(event, TimedOut)
    done = decide(condition, event, NOW + 61 * SECOND).action
    assert done.phase is Phase.TIMED_OUT
    assert done.failure is not None
    assert "Nobody answered the condition 'approve' within 60 s" in done.failure.message


def test_an_abort_ends_a_condition_at_once() -> None:
    done = decide(asked(), AbortRequested(asked().key, "no more"), NOW).action
    assert done.phase is Phase.ABORTED


@pytest.mark.parametrize("event", [Claimed(asked().key, "t"), Resumed(asked().key)])
def test_nothing_executes_a_condition(event: Event) -> None:
    assert decide(asked(), event, NOW).ignored is not None


def test_an_answer_is_for_conditions_only() -> None:
    task = queued(phase=Phase.PAUSED)
    assert decide(task, Answered(task.key, YES), NOW).ignored is not None


def test_a_parked_task_holds_no_attempt_and_counts_no_failure() -> None:
    action = running()
    decision = decide(action, parked(action), NOW + 5 * SECOND)
    waits = decision.action
    assert (waits.phase, waits.token, waits.attempt) == (Phase.PAUSED, "", 1)
    assert (waits.user_failures, waits.system_failures, waits.failure) == (0, 0, None)
    assert decision.attempt is not None
    assert (decision.attempt.phase, decision.attempt.ended_at) == (Phase.PAUSED, NOW + 5 * SECOND)

    again = decide(waits, Resumed(waits.key), NOW + 9 * SECOND).action
    assert (again.phase, again.queued_at, again.due_at) == (
        Phase.QUEUED,
        NOW + 9 * SECOND,
        NOW + 9 * SECOND,
    )
    second = decide(again, Claimed(again.key, "t2"), NOW + 9 * SECOND).action
    assert (second.attempt, second.token) == (2, "t2")


def test_a_task_whose_condition_has_ended_meanwhile_is_queued_at_once() -> None:
    action = running()
    assert decide(action, parked(action, goes_on=True), NOW).action.phase is Phase.QUEUED


def test_the_time_in_which_it_was_parked_is_no_runtime_but_counts_for_the_deadline() -> None:
    action = running(policy=Policy(max_runtime_seconds=10, deadline_seconds=100))
    waits = decide(action, parked(action), NOW + 5 * SECOND).action
    assert waits.limit_at == NOW + 100 * SECOND
    late = limits.hit(waits, NOW + 101 * SECOND)
    assert late is not None
    assert decide(waits, late, NOW + 101 * SECOND).action.phase is Phase.TIMED_OUT


def test_what_was_to_be_stopped_ends_instead_of_being_parked() -> None:
    action = running()
    aborting = decide(action, AbortRequested(action.key, "enough"), NOW).action
    assert decide(aborting, parked(aborting), NOW + SECOND).action.phase is Phase.ABORTED
    limited = running(policy=Policy(max_runtime_seconds=1))
    event = limits.hit(limited, NOW + 10 * SECOND)
    assert event is not None
    stopping = decide(limited, event, NOW + 10 * SECOND).action
    assert decide(stopping, parked(stopping), NOW + SECOND).action.phase is Phase.TIMED_OUT


def test_a_foreign_attempt_parks_nothing_and_a_late_success_of_a_parked_one_is_ignored() -> None:
    action = running()
    foreign = key(action)._replace(token="other")
    assert decide(action, Parked(foreign, NOW, ("c",)), NOW).ignored is not None
    waits = decide(action, parked(action), NOW).action
    assert decide(waits, Succeeded(key(action), NOW), NOW).ignored is not None


@pytest.mark.parametrize(
    ("answer_type", "value", "said"),
    [
        ("bool", 1, "of type bool, but got 1, which is of type int"),
        ("int", True, "of type int, but got True"),
        ("int", 2**63, "does not fit into 64 bits"),
        ("float", 3, "of type float"),
        ("float", float("nan"), "finite"),
        ("str", 1.5, "of type str"),
        ("bool", "true", "of type bool"),
    ],
)
def test_a_value_of_another_type_is_refused(answer_type: str, value: object, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        answering.check(asked(answer_type), value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("answer_type", "value"), [("bool", False), ("int", -3), ("float", 0.5), ("str", "")]
)
def test_a_value_of_its_type_fits(answer_type: str, value: bool | float | str) -> None:
    answering.check(asked(answer_type), value)


def test_whoever_comes_second_hears_who_was_first() -> None:
    done = decide(asked(), Answered(asked().key, YES), NOW).action
    with pytest.raises(
        Conflict, match=r"True by ada \(cli\) at 1970-01-01 00:16:41 UTC; the first"
    ):
        answering.check(done, False)


def test_what_ended_otherwise_says_how() -> None:
    done = decide(asked(), AbortRequested(asked().key, "enough"), NOW).action
    with pytest.raises(Conflict, match=r"it is aborted at .*: enough"):
        answering.check(done, True)


def test_a_task_is_no_condition() -> None:
    with pytest.raises(Invalid, match="x is a task, not a condition"):
        answering.check(queued(), True)


@pytest.mark.parametrize(
    ("text", "answer_type", "value"),
    [
        ("true", "bool", True),
        (" No ", "bool", False),
        ("-7", "int", -7),
        ("1e3", "float", 1000.0),
        (" as it is ", "str", " as it is "),
    ],
)
def test_texts_of_forms_become_values(text: str, answer_type: str, value: object) -> None:
    assert answering.parsed(text, answer_type) == value


@pytest.mark.parametrize(
    ("text", "answer_type"), [("perhaps", "bool"), ("1.5", "int"), ("x", "float"), ("", "int")]
)
def test_other_texts_are_refused(text: str, answer_type: str) -> None:
    with pytest.raises(Invalid, match=f"is no {answer_type}"):
        answering.parsed(text, answer_type)
