"""Who holds a place, followed change by change."""

from typing import Any

from tests.sim.world.rows import ALIVE, OPEN


class Busy:
    """Who holds a place: alive, and not waiting for children."""

    def __init__(self) -> None:
        self._phases: dict[tuple[int, str], str] = {}
        self._parents: dict[tuple[int, str], str | None] = {}
        self._before: set[tuple[int, str]] = set()
        self._now: set[tuple[int, str]] = set()
        self._claimed: set[tuple[int, str]] = set()

    def follow(self, changes: list[dict[str, Any]]) -> set[tuple[int, str]]:
        """One commit; gives who was claimed in it."""
        self._claimed = set()
        for change in changes:
            key = (change["run_id"], change["name"])
            self._phases[key], self._parents[key] = change["phase"], change["parent"]
            if change["phase"] == "initializing" and change["old_phase"] != "initializing":
                self._claimed.add(key)
        self._before, self._now = self._now, self._holding()
        return self._claimed

    def count(self, run_id: int | None = None) -> int:
        """How many places are taken."""
        return sum(run_id in {None, run} for run, _ in self._now)

    def woken(self, run_id: int | None = None) -> int:
        """How many of them by parents that came back."""
        back = self._now - self._before - self._claimed
        return sum(run_id in {None, run} for run, _ in back)

    def alive(self) -> set[tuple[int, str]]:
        """All that are alive, also those that wait for children."""
        return {key for key, phase in self._phases.items() if phase in ALIVE}

    def computing(self) -> set[tuple[int, str]]:
        """Those that hold a place, but for parents that came back in this commit: they wait for no place."""
        return self._now - (self._now - self._before - self._claimed)

    def _holding(self) -> set[tuple[int, str]]:
        waiting = {
            (run, self._parents[run, name])
            for (run, name), phase in self._phases.items()
            if phase in OPEN
        }
        return self.alive() - waiting
