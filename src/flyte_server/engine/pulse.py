"""How the store is doing: how long commits take, how long callers wait for them, and what failed."""

from array import array
from collections import Counter
from dataclasses import dataclass

_KEPT = 65_536
"""Durations that are remembered, the youngest ones: enough for the p99 of minutes at full load, 512 KiB."""


@dataclass(frozen=True, slots=True)
class Durations:
    """A summary of the last durations, in seconds; all 0 when there was none."""

    count: int
    """How many there were since the start, more than are summarized."""
    p50: float
    p99: float
    longest: float
    """Of those that are summarized."""


class Series:
    """The last durations of one thing."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._count = 0
        self._last = array("d", bytes(8 * kept))

    def add(self, seconds: float) -> None:
        """Remember one; the oldest is forgotten."""
        self._last[self._count % self._kept] = seconds
        self._count += 1

    def summary(self) -> Durations:
        """Sorts what is remembered: for whoever asks, not for each commit."""
        known = sorted(self._last[: min(self._count, self._kept)])
        if not known:
            return Durations(0, 0.0, 0.0, 0.0)
        return Durations(self._count, _share(known, 0.5), _share(known, 0.99), known[-1])


class Pulse:
    """What the committer notes.  Only the event loop's thread uses it, so nothing is locked."""

    def __init__(self) -> None:
        self.commits = Series()
        """From handing a transaction to the writer until it was committed, its turn there included."""
        self.answers = Series()
        """From a caller's wish until its answer: in the line, the commit, and the disk if it must last."""
        self.errors: Counter[str] = Counter()
        """Failures of the store by kind, such as `locked` or `full`, since the start."""


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
