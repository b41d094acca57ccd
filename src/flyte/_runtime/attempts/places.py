"""Whether a child can get a place while its parent waits for it."""

from typing import Any

from flyte import errors
from flyte._task import TaskTemplate


def check(parent: TaskTemplate | None, callee: Any) -> None:
    """Refuse a call that could never begin: the parent has the only place that its child might take.

    With more places than one a child may still have to wait for parents; the control plane then says which.

    Raises:
        flyte.errors.DefinitionError: naming both, and what to change.
    """
    policy = None if parent is None else parent.reusable
    if parent is None or policy is None or policy.max_replicas * policy.concurrency > 1:
        return
    same_environment = getattr(callee, "parent_env_name", None) == parent.parent_env_name
    if same_environment and getattr(callee, "reusable", None) == policy:
        raise errors.DefinitionError(
            f"task {parent.name!r} has the only place of the reusable environment "
            f"{parent.parent_env_name!r} and cannot wait for {callee.name!r}, which needs a place there too; raise "
            "concurrency or replicas in its ReusePolicy, put the child into another environment, or call it with "
            '.override(reusable="off")'
        )
