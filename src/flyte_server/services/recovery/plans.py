"""The plan of a recovery as clients read it."""

from typing import Any

from flyte_server.domain.recovery import Plan, Step


def document(run: str, plan: Plan) -> dict[str, Any]:
    """The plan as an object.

    Returns:
        `run`: the earlier run; `steps`: its actions, callers before what they called; `missing`: names of those whose
        outputs are needed and gone.
    """
    return {
        "run": run,
        "steps": [_step(each) for each in plan.steps],
        "missing": [each.action.name for each in plan.missing],
    }


def missing(run: str, plan: Plan) -> str:
    """Why a recovery is refused whose outputs are gone, and what to do."""
    listed = "".join(
        f"\n  {each.action.name} ({each.action.task_name}): {each.why}" for each in plan.missing
    )
    return (
        f"Run {run} cannot be recovered as planned: outputs that are to be reused are gone:{listed}\n"
        "Nothing was started. Execute these actions again with --allow-missing-outputs "
        "(allow_missing_source_outputs=True), or bring the files back."
    )


def _step(step: Step) -> dict[str, Any]:
    action = step.action
    return {
        "action": action.name,
        "parent": action.parent or "",
        "task": action.task_name,
        "group": action.group,
        "kind": action.kind.value,
        "phase": action.phase.value,
        "decision": step.decision.value,
        "why": step.why + _unless_cached(step),
    }


def _unless_cached(step: Step) -> str:
    is_executed = step.decision == "execute"
    return "; an equal result may be in the cache" if is_executed and step.action.cache_key else ""
