"""The plan of a recovery: one decision for each action of the earlier run; the same rules here and in the SDK."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte._runtime.inprocess import recovery as sdk
from flyte_server.domain import recovery
from flyte_server.domain.errors import Invalid
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, Failure
from flyte_server.domain.recovery import Decision, Plan

OK, FAILED = Phase.SUCCEEDED, Phase.FAILED
REUSE, EXECUTE, COVERED = Decision.REUSE, Decision.EXECUTE, Decision.COVERED


def action(
    name: str, parent: str | None, phase: Phase = OK, kind: Kind = Kind.TASK, at: int = 0
) -> Action:
    failure = Failure("ValueError", "no rows\nTraceback") if phase is FAILED else None
    return Action(1, name, parent, kind, phase, f"env.{name}", created_at=at, failure=failure)


def decided(plan: Plan) -> dict[str, Decision]:
    return {step.action.name: step.decision for step in plan.steps}


def why(plan: Plan, name: str) -> str:
    return next(step.why for step in plan.steps if step.action.name == name)


TREE = [
    action("a0", None, FAILED),
    action("left", "a0"),
    action("left1", "left"),
    action("right", "a0", FAILED),
    action("right1", "right"),
    action("trace", "right", OK, Kind.TRACE),
    action("right2", "right", Phase.ABORTED),
    action("right3", "right", Phase.RECOVERED),
]


def test_what_succeeded_is_reused_and_the_rest_executed() -> None:
    plan = recovery.plan("r1", TREE)
    assert decided(plan) == {
        "a0": EXECUTE,
        "left": REUSE,
        "left1": COVERED,
        "right": EXECUTE,
        "right1": REUSE,
        "trace": REUSE,
        "right2": EXECUTE,
        "right3": REUSE,
    }
    assert why(plan, "a0") == "failed: ValueError: no rows"
    assert why(plan, "right2") == "aborted"
    assert why(plan, "left") == "succeeded in r1"
    assert why(plan, "left1") == "belongs to left, which is reused"
    assert not plan.executed


def test_forcing_executes_the_callers_too_and_reuses_what_else_they_call() -> None:
    tree = [
        action("a0", None),
        action("p", "a0"),
        action("c", "p"),
        action("d", "p"),
        action("q", "a0"),
    ]
    plan = recovery.plan("r1", tree, forced=["c"])
    assert decided(plan) == {"a0": EXECUTE, "p": EXECUTE, "c": EXECUTE, "d": REUSE, "q": REUSE}
    assert why(plan, "p") == "must call c, which is forced"
    assert plan.executed == {"a0", "p", "c"}


def test_a_name_that_does_not_exist_cannot_be_forced() -> None:
    with pytest.raises(
        Invalid, match="no action 'right9' that could be forced; did you mean right"
    ):
        recovery.plan("r1", TREE, forced=["right9"])


def test_other_inputs_execute_the_root_only() -> None:
    plan = recovery.plan("r1", [action("a0", None), action("c", "a0")], changed=True)
    assert decided(plan) == {"a0": EXECUTE, "c": REUSE}
    assert plan.executed == {"a0"}


def test_outputs_that_nobody_needs_may_be_gone() -> None:
    gone = {"left1": "x is gone", "right1": "y is gone"}
    plan = recovery.plan("r1", TREE, problem=lambda each: gone.get(each.name))
    assert [step.action.name for step in plan.missing] == ["right1"]
    assert decided(plan)["right1"] is EXECUTE
    assert decided(plan)["left1"] is COVERED


def test_below_an_action_that_lost_its_outputs_the_rest_is_reused() -> None:
    plan = recovery.plan(
        "r1", TREE, problem=lambda each: "it is gone" if each.name == "left" else None
    )
    assert decided(plan)["left1"] is REUSE


# --- both packages decide alike


@dataclass(frozen=True)
class Case:
    actions: list[Action]
    forced: list[str]
    gone: frozenset[str]
    changed: bool


PHASES = [OK, OK, OK, FAILED, Phase.ABORTED, Phase.TIMED_OUT, Phase.RECOVERED]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 14))
    actions = [action("a0", None, draw(st.sampled_from(PHASES)))]
    for number in range(1, size):
        tasks = [each.name for each in actions if each.kind is Kind.TASK]
        kind = draw(st.sampled_from([Kind.TASK, Kind.TASK, Kind.TRACE]))
        parent, phase = draw(st.sampled_from(tasks)), draw(st.sampled_from(PHASES))
        actions.append(action(f"n{number}", parent, phase, kind, number))
    names = [each.name for each in actions]
    return Case(
        draw(st.permutations(actions)),
        draw(st.lists(st.sampled_from(names), max_size=3, unique=True)),
        draw(st.frozensets(st.sampled_from(names))),
        draw(st.booleans()),
    )


@given(cases())
def test_every_action_has_one_decision_that_fits_its_callers(case: Case) -> None:
    plan = plan_of(case)
    found = decided(plan)
    assert set(found) == {each.name for each in case.actions}
    for each in case.actions:
        above = None if each.parent is None else found[each.parent]
        assert (found[each.name] is COVERED) == (above in {REUSE, COVERED})
        if found[each.name] is REUSE:
            assert each.phase in recovery.SUCCEEDED
            assert each.name not in {*case.gone, *plan.executed}
    assert all(found[name] is EXECUTE for name in case.forced), "somebody asks for what is forced"
    order = [step.action.name for step in plan.steps]
    assert all(
        each.parent is None or order.index(each.parent) < order.index(each.name)
        for each in case.actions
    )


@given(cases())
def test_the_sdk_decides_alike(case: Case) -> None:
    plan = plan_of(case)
    known = [
        sdk.Known(
            step.action.name,
            step.action.parent or "",
            step.action.task_name,
            "",
            step.action.kind.value,
            step.action.phase.value,
            "ValueError: no rows" if step.action.failure else "",
        )
        for step in plan.steps
    ]
    other = sdk.plan(
        "r1",
        known,
        forced=case.forced,
        changed=case.changed,
        problem=lambda name: "it is gone" if name in case.gone else None,
    )
    here = [(step.action.name, step.decision.value, step.why) for step in plan.steps]
    assert here == [(step.action, step.decision, step.why) for step in other.steps]
    assert plan.executed == other.executed
    assert [step.action.name for step in plan.missing] == [name for name, _ in other.missing]


def plan_of(case: Case) -> Plan:
    return recovery.plan(
        "r1",
        case.actions,
        forced=case.forced,
        changed=case.changed,
        problem=lambda each: "it is gone" if each.name in case.gone else None,
    )
