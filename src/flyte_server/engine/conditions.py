"""Conditions: questions that are rows until somebody answers, and the parked actions that wait for them."""

from dataclasses import replace
from functools import partial

from flyte_server.domain import answering, errors, limits
from flyte_server.domain.commands import NewCondition
from flyte_server.domain.events import Parked
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, ActionKey, Answer, Policy, Run
from flyte_server.engine import intake, recovery
from flyte_server.engine.bus import HOOKS
from flyte_server.engine.committer import Answer as Answered
from flyte_server.engine.committer import same
from flyte_server.engine.unit import Unit
from flyte_server.store import actions, hooks


def take(unit: Unit, run_id: int, command: NewCondition) -> bool:
    """A new condition; False when an action of that name exists, whatever its state.

    Raises:
        errors.NotFound: when there is no such run or parent.
        errors.Aborted: when the parent or the run has ended, or is being stopped.
    """
    if unit.action(ActionKey(run_id, command.name)) is not None:
        return False
    run, parent = intake.parent_of(unit, run_id, command.parent)
    intake.refuse_ended(unit, run, parent, command.name)
    action = recovery.answered_before(unit, run, _new(unit, run, command))
    unit.add(action)
    if command.hook is not None and not action.phase.terminal:
        unit.flush()
        hooks.insert(unit.connection, action.key, command.hook, unit.now_us)
        unit.topics.add(HOOKS)
    return True


def answerable(unit: Unit, key: ActionKey, answer: Answer) -> Action:
    """The condition, if it waits for this answer.

    Raises:
        errors.NotFound: when there is no such action.
        errors.Invalid: when it is no condition, or the value is not of its type.
        errors.Conflict: when it has ended.
    """
    action = unit.action(key)
    if action is None:
        raise errors.NotFound(
            f"run {key.run_id} has no condition {key.name}; list them with: flyte get condition RUN"
        )
    answering.check(action, answer.value)
    return action


def looked_at(unit: Unit, event: Parked) -> Parked:
    """With whether one of the conditions that it waits for has ended meanwhile (or was never there)."""
    awaited = [unit.action(ActionKey(event.attempt.run_id, name)) for name in event.awaits]
    waits = bool(awaited) and all(
        each is not None and each.kind is Kind.CONDITION and not each.phase.terminal
        for each in awaited
    )
    return replace(event, goes_on=not waits)


def asker_of_ended(action: Action) -> ActionKey | None:
    """Who has asked a condition that has ended, and goes on if it is parked; None: it is none, or has not ended."""
    if action.kind is not Kind.CONDITION or not action.phase.terminal or action.parent is None:
        return None
    return ActionKey(action.run_id, action.parent)


def has_one_ended(unit: Unit, action: Action) -> bool:
    """Whether a condition of a parked action has ended since it was parked: its row could not be read then."""
    if action.phase is not Phase.PAUSED or action.kind is not Kind.TASK:
        return False
    unit.flush()
    later = actions.children_since(unit.connection, action.run_id, action.name, action.seq)
    return any(each.kind is Kind.CONDITION and each.phase.terminal for each in later)


def told(unit: Unit, *, key: ActionKey) -> Answered[None]:
    """Nobody is to be told of a condition any more."""
    hooks.delete(unit.connection, key)
    return partial(same, None)


def not_told(unit: Unit, *, key: ActionKey, failures: int, due_at: int) -> Answered[None]:
    """Who is to be told could not be reached."""
    hooks.put_off(unit.connection, key, failures=failures, due_at=due_at)
    return partial(same, None)


def _new(unit: Unit, run: Run, command: NewCondition) -> Action:
    now = unit.now_us
    action = Action(
        run_id=run.id,
        name=command.name,
        parent=command.parent,
        kind=Kind.CONDITION,
        phase=Phase.PAUSED,
        task_name=command.condition,
        created_at=now,
        policy=Policy(deadline_seconds=command.timeout_seconds, answer_type=command.answer_type),
        short_name=command.condition,
        group=command.group,
        spec_digest=unit.spec(command.spec),
        queued_at=now,
        started_at=now,
    )
    return replace(action, limit_at=limits.next_at(action))
