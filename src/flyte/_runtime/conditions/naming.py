"""Names of the actions of conditions, and that a task asks each of them once."""

import threading

from flyte import errors
from flyte._ids import ActionID


class Asked:
    """The conditions that one attempt has asked; may be used from several threads."""

    def __init__(self, parent: ActionID) -> None:
        self._parent = parent
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def add(self, name: str) -> ActionID:
        """The identity of a new condition.

        Raises:
            flyte.errors.ConditionAlreadyExistsError: the attempt has asked it already.
        """
        with self._lock:
            if name in self._names:
                raise errors.ConditionAlreadyExistsError(
                    f"action {self._parent.name} has asked a condition {name!r} already; give each a name of its own,"
                    " such as f'approve-{item}'"
                )
            self._names.add(name)
        return self.action(name)

    def action(self, name: str) -> ActionID:
        """The identity of a condition: the same in every attempt, because it depends on names alone."""
        return self._parent.new_sub_action_from(0, f"condition:{name}", "", None)
