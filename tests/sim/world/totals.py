"""Figures of many seeds, and what they must at least be: a run that only returned errors proves nothing."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.sim.world.play import Played

KINDS = (
    "crash before a transaction", "crash during a commit", "crash after a commit", "crash inside recovery",
    "kill plane", "stop plane", "close plane", "kill host", "freeze host", "kill task", "power cut", "poison",
    "store refused a commit", "disk refused a sync", "disk full", "disk broken", "store locked",
    "clock ahead", "clock back", "request lost", "answer lost", "request doubled", "stream broken",
    "acknowledgement lost", "report doubled", "launch refused", "process deaf",
    "tick refused",
)  # fmt: skip
"""Every kind of trouble there is."""
_LEAST_COMMITS = 10


@dataclass
class Totals:
    """What many seeds came to."""

    seeds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failed: list[Played] = field(default_factory=list)

    def add(self, played: Played) -> None:
        """One more seed."""
        self.seeds += 1
        self.faults.update(played.faults)
        self.deeds.update(played.deeds)
        self.seconds += played.seconds
        if played.problems:
            self.failed.append(played)

    def merge(self, other: "Totals") -> None:
        """What another process has played."""
        self.seeds += other.seeds
        self.faults.update(other.faults)
        self.deeds.update(other.deeds)
        self.seconds += other.seconds
        self.failed += other.failed

    def missing(self) -> list[str]:
        """Kinds of trouble that no seed had."""
        return [kind for kind in KINDS if not self.faults[kind]]

    def report(self) -> str:
        """For people."""
        lines = [
            f"{self.seeds} seeds, {self.seconds / 3600:.1f} hours of virtual time,"
            f" {sum(self.faults.values())} faults, {len(self.failed)} seeds failed",
            "faults: " + _listed(self.faults),
            "done: " + _listed(self.deeds),
        ]
        return "\n".join(lines + [told(played) for played in self.failed])


def shortcomings(played: Played, least_results: int = 1) -> list[str]:
    """Why a seed proves nothing."""
    deeds = played.deeds
    found: list[str] = []
    if deeds.get("result", 0) < least_results or deeds.get("create", 0) < least_results:
        found.append(f"only {deeds.get('result', 0)} runs came to an end")
    if deeds.get("success", 0) < 1:
        found.append("no run succeeded")
    if deeds.get("commits", 0) < _LEAST_COMMITS:
        found.append(f"only {deeds.get('commits', 0)} commits")
    return found


def told(played: Played) -> str:
    """A seed that failed, and how it is played again."""
    problems = "\n".join(f"  * {problem}" for problem in played.problems)
    return f"seed {played.seed} failed; again: python -m tests.sim.world --seed {played.seed} -v\n{problems}"


def _listed(counts: Iterable[str]) -> str:
    assert isinstance(counts, Counter)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
