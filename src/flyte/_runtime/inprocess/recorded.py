"""Steps of an action that somebody debugs: what its calls gave in the run, without a trace of this one anywhere."""

from collections.abc import Callable

from flyteidl2.task import common_pb2

from flyte._runtime.inprocess.journal import Called
from flyte._runtime.inprocess.steps import Steps

Lookup = Callable[[str], common_pb2.Outputs | None]
"""The outputs of an action of the run, by its name; None unless it succeeded."""


class Recorded(Steps):
    """Takes over what the calls of an action gave in its run; nothing is kept of what is executed instead.

    Args:
        action: name of the action itself, which is executed in any case.
        lookup: asks for the outputs of another one.
    """

    def __init__(self, action: str, lookup: Lookup) -> None:
        super().__init__()
        self._action = action
        self._lookup = lookup

    def taken(self, call: Called, kind: str = "task") -> common_pb2.Outputs | None:
        return None if call.name == self._action else self._lookup(call.name)
