"""Conditions under a control plane: an action that nobody executes, and the end of it."""

from typing import Any

from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.workflow.state_service_pb2 import ActionUpdate

from flyte import errors
from flyte._context import Question, TaskContext
from flyte._ids import ActionID
from flyte._phases import ActionPhase
from flyte._runtime import results
from flyte._wire import ids, statuses
from flyte._wire.conditions import messages


def action(identity: ActionID, asked: Question, caller: TaskContext) -> Action:
    """The action of a condition."""
    group = caller.group_data.name if caller.group_data else None
    return Action(
        action_id=ids.action(identity),
        parent_action_name=caller.action.name,
        run_output_base=caller.run_base_dir,
        group=group,
        condition=messages.question(asked),
    )


def answered(asked: Question, update: ActionUpdate) -> Any:
    """The value of an ended condition.

    Raises:
        flyte.errors.ConditionTimedoutError: nobody answered in time.
        flyte.errors.ActionAbortedError: somebody aborted it.
        flyte.errors.ConditionFailedError: anything else.
    """
    if results.succeeded(update) and update.HasField("value"):
        found = messages.value(update.value)
        if type(found) is asked.type:
            return found
        raise errors.ConditionFailedError(
            f"condition {asked.name!r} asks for a {asked.type.__name__} now, but was answered with {found!r}; give a"
            " condition whose type has changed another name"
        )
    said = update.error.message
    match statuses.phase(update.phase):
        case ActionPhase.TIMED_OUT:
            raise errors.ConditionTimedoutError(
                said or f"nobody answered the condition {asked.name!r} in time"
            )
        case ActionPhase.ABORTED:
            raise errors.ActionAbortedError(said or f"the condition {asked.name!r} was aborted")
        case phase:
            raise errors.ConditionFailedError(
                said
                or f"the condition {asked.name!r} {phase} without a value; look at the control plane's log"
            )
