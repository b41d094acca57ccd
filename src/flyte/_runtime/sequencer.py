"""Names of the calls that one running action makes."""

from collections import defaultdict
from itertools import count

from flyte._ids import ActionID


class Sequencer:
    """Names calls by what is called, with what, in which group, and as which of equal calls.

    An action that runs again makes equal calls in the same order, so it arrives at the same names;
    calls that differ may come in any order.  One sequencer serves one attempt and may be used from
    several threads.
    """

    def __init__(self, parent: ActionID) -> None:
        self._parent = parent
        self._counters: defaultdict[tuple[str, str, str], count[int]] = defaultdict(count)

    def child(self, callee: str, input_hash: str, group: str | None) -> ActionID:
        """The identity of the next call of `callee` with these inputs."""
        # One call into C for the counter and one for its next value: neither is torn by another
        # thread.
        sequence = next(self._counters[callee, input_hash, group or ""])
        return self._parent.new_sub_action_from(sequence, callee, input_hash, group)
