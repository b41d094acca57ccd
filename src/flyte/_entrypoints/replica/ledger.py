"""What a replica holds, and what of it the control plane does not know yet.  Used on the background loop only."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from flyte_protocol.worker.v1.worker_pb2 import Assignment, AttemptRef, Ended, Started

Key = tuple[int, str, int, str]


def key(ref: AttemptRef) -> Key:
    """An attempt as a key of dictionaries."""
    return ref.run_id, ref.action, ref.number, ref.token


@dataclass(slots=True, eq=False)
class Held:
    """An attempt from its assignment to the acknowledgement of its end."""

    assignment: Assignment
    started_at: int = 0
    """When its code began, in microseconds since the epoch; 0: not yet.  Written by the thread that begins it."""
    told: bool = False
    """Whether the control plane knows that it has started."""
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What the next report says."""

    started: list[Started] = field(default_factory=list[Started])
    ended: list[Ended] = field(default_factory=list[Ended])

    def __bool__(self) -> bool:
        return bool(self.started or self.ended)


class Ledger:
    """Attempts held by this replica, those included whose end nobody has acknowledged."""

    def __init__(self) -> None:
        self._held: dict[Key, Held] = {}
        self.changed = asyncio.Event()
        """Set when there may be news, or nothing is held any more."""

    def __len__(self) -> int:
        return len(self._held)

    def take(self, assignment: Assignment) -> Held | None:
        """Hold an attempt; None if it is held already."""
        name = key(assignment.attempt)
        if name in self._held:
            return None
        self._held[name] = held = Held(assignment)
        return held

    def find(self, ref: AttemptRef) -> Held | None:
        """The attempt, if it is held and has not ended."""
        held = self._held.get(key(ref))
        return held if held is not None and held.ended is None else None

    def running(self) -> list[Held]:
        """Attempts that have not ended."""
        return [held for held in self._held.values() if held.ended is None]

    def refs(self) -> list[AttemptRef]:
        """Everything that is held, for a control plane that asks anew."""
        return [held.assignment.attempt for held in self._held.values()]

    def end(self, held: Held, ended: Ended) -> None:
        """An attempt is over; of one that is not held any more nobody is told."""
        held.ended = ended
        self.changed.set()

    def forget(self, refs: Iterable[AttemptRef]) -> list[Held]:
        """Let go of attempts that nobody wants any more; those that are still running."""
        gone = [self._held.pop(key(ref), None) for ref in refs]
        self.changed.set()
        return [held for held in gone if held is not None and held.ended is None]

    def news(self, started_before: int) -> News:
        """What the control plane does not know yet: ends, and starts before a moment (microseconds since the epoch)."""
        found = News()
        for held in self._held.values():
            if held.ended is not None:
                found.ended.append(held.ended)
            elif 0 < held.started_at < started_before and not held.told:
                found.started.append(Started(attempt=held.assignment.attempt, at=held.started_at))
        return found

    def unknown_starts(self) -> bool:
        """Whether something runs, or soon will, of whose start nobody was told."""
        return any(not held.told and held.ended is None for held in self._held.values())

    def told(self, news: News) -> None:
        """The control plane has committed a report."""
        for started in news.started:
            held = self._held.get(key(started.attempt))
            if held is not None:
                held.told = True
        for ended in news.ended:
            self._held.pop(key(ended.attempt), None)
        if not self._held:
            self.changed.set()
