"""In which order actions of all lanes and runs are looked at: runs take turns.

Next is whose run has the fewest attempts that compute; of equal ones the older action, where a root lets children pass
that became due up to `ROOT_PATIENCE_US` later: what has begun is finished first.  So a run with ten thousand waiting
children does not keep a run waiting that comes later, and none waits for ever.

Every line (the roots of a lane; the children of one run in a lane) is read from its index, as far as it is needed.
"""

import heapq
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from flyte_server.domain.admission import lanes
from flyte_server.domain.admission.lanes import Lane
from flyte_server.domain.records import Action, ActionKey
from flyte_server.store import actions
from flyte_server.store.rows import Broken, Connection

ROOT_PATIENCE_US = 2_000_000
"""Among runs that have equally many attempts, a root lets children pass that became due up to so much later."""
_BATCH = 8


@dataclass(slots=True)
class Line:
    """Actions of a lane that wait one behind the other."""

    text: str
    number: int
    """0 for roots, else the number of their run."""
    due_at: int
    """When its first became due."""
    seq: int
    lane: Lane
    run_id: int
    """Of its first; 0 while that is not known."""
    read: deque[Action] = field(default_factory=deque[Action])
    offset: int = 0
    is_read: bool = False
    """Whether nothing due is left to read."""

    @property
    def age(self) -> tuple[int, int]:
        return self.due_at + (0 if self.number else ROOT_PATIENCE_US), self.seq


class Order:
    """Gives the lines in the order in which their first ones are next; a line is asked again after each `take`."""

    def __init__(
        self,
        connection: Connection,
        now_us: int,
        alive: Counter[int],
        set_aside: Collection[ActionKey],
    ) -> None:
        self._connection = connection
        self._now_us = now_us
        self._alive = Counter(alive)
        self._set_aside = set_aside
        self._heap: list[tuple[int, tuple[int, int], int, Line]] = []
        self._count = 0
        self._moments: list[int] = []
        self.broken: list[Broken] = []
        """Rows that were met and cannot be read."""

    @property
    def next_due_at(self) -> int | None:
        """When the next action of an empty line becomes due."""
        return min(self._moments, default=None)

    def add(self, lane: str) -> None:
        """Look into a lane."""
        for found in actions.lines(self._connection, lane):
            if found.due_at > self._now_us:
                self._moments.append(found.due_at)
                continue
            line = Line(
                lane, found.number, found.due_at, found.seq, lanes.read(lane), run_id=found.number
            )
            self._push(line)

    def next(self) -> Line | None:
        """The line whose first is next; it is out until something is taken from it."""
        while self._heap:
            alive, _, _, line = heapq.heappop(self._heap)
            if alive == self._alive[line.run_id]:
                return line
            self._push(line)  # its run has got another attempt meanwhile
        return None

    def take(self, line: Line) -> Action | None:
        """The first of a line; None when there was none that could be read.  The line is in again."""
        action = self._read(line)
        if action is None:
            moment = actions.next_due_at(self._connection, line.text, line.number, self._now_us)
            if moment is not None:
                self._moments.append(moment)
            return None
        self._alive[action.run_id] += 1
        following = self._peek(line)
        if following is not None:
            line.due_at, line.seq, line.run_id = following.due_at, following.seq, following.run_id
        self._push(line)
        return action

    def _push(self, line: Line) -> None:
        self._count += 1  # lines themselves are not compared
        heapq.heappush(self._heap, (self._alive[line.run_id], line.age, self._count, line))

    def _read(self, line: Line) -> Action | None:
        return line.read.popleft() if self._peek(line) is not None else None

    def _peek(self, line: Line) -> Action | None:
        while not line.read and not line.is_read:
            found = actions.due(
                self._connection,
                line.text,
                line.number,
                now_us=self._now_us,
                limit=_BATCH,
                offset=line.offset,
            )
            count = len(found) + len(found.broken)
            line.offset, line.is_read = line.offset + count, count < _BATCH
            self.broken += found.broken
            line.read.extend(action for action in found if action.key not in self._set_aside)
        return line.read[0] if line.read else None
