"""Faults at random moments: SIGKILL, or SIGSTOP past the lease and then SIGCONT, of every kind of process."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests.e2e.plane import Plane, gone
from tests.support import wait_until

KILL, FREEZE = "SIGKILL", "SIGSTOP past the lease, SIGCONT"
TARGETS = {
    "control plane": 2,
    "guardian": 1,
    "host": 2,
    "scribe": 1,
    "attempt": 4,
    "grandchild": 2,
    "client": 1,
}
"""What is hit, and how often compared to the others."""
_HOST_WORDS = "flyte._entrypoints.host"


@dataclass
class Storm:
    """Faults of one seed.  The moments depend on the machine; what is hit, and how, on the seed."""

    plane: Plane
    seed: int
    freeze_seconds: float
    """Longer than what makes a worker dead."""
    clients: Callable[[], list[int]]
    """Process ids of the commands that watch runs."""
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    _thaws: list[tuple[float, psutil.Process]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._deck: list[tuple[str, str]] = []

    def blow(self, faults: int, *, over: Callable[[], bool], gap_seconds: float) -> None:
        """Hit so many processes, with pauses of `gap_seconds` on the average; end early when there is no more work."""
        while sum(self.faults.values()) < faults:
            self._rest(self._random.expovariate(1 / gap_seconds))
            if over():
                break
            target, kind = self._drawn()
            if not self._hit(target, kind):
                self._deck.insert(-1, (target, kind))  # none of them lives now: soon again
            self._guard()
        self.calm()

    def _drawn(self) -> tuple[str, str]:
        """Every kind of fault in its turn, in a random order."""
        if not self._deck:
            self._deck = [
                (target, kind)
                for target, times in TARGETS.items()
                for kind in (KILL, FREEZE)
                for _ in range(times)
            ]
            self._random.shuffle(self._deck)
        return self._deck.pop()

    def calm(self) -> None:
        """Nothing stays frozen."""
        for _, process in self._thaws:
            _signal(process, signal.SIGCONT)
        self._thaws.clear()

    def _rest(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        wait_until(lambda: self._thaw() or time.monotonic() >= deadline, timeout_seconds=1e9)

    def _thaw(self) -> None:
        now = time.monotonic()
        for due in [each for each in self._thaws if each[0] <= now]:
            self._thaws.remove(due)
            _signal(due[1], signal.SIGCONT)

    def _hit(self, target: str, kind: str) -> bool:
        """Whether there was such a process."""
        found = self._found(target)
        if not found:
            return False
        process = self._random.choice(sorted(found, key=lambda each: each.pid))
        hit = _signal(process, signal.SIGKILL if kind is KILL else signal.SIGSTOP)
        if hit and kind is FREEZE:
            seconds = self.freeze_seconds * self._random.uniform(1.0, 1.5)
            self._thaws.append((time.monotonic() + seconds, process))
        self.faults[target, kind] += hit
        return hit

    def _guard(self) -> None:
        """A control plane that lost its guardian and then its life is started again, as the next command would."""
        with suppress(FileNotFoundError, ValueError, KeyError):
            if gone(self.plane.guardian_pid) and gone(self.plane.pid):
                self.calm()
                self.plane.start()

    def _found(self, target: str) -> list[psutil.Process]:
        """The processes of a kind; none when they are just being started."""
        found: dict[str, Callable[[], list[psutil.Process]]] = {
            "control plane": lambda: [psutil.Process(self.plane.pid)],
            "guardian": lambda: [psutil.Process(self.plane.guardian_pid)],
            "client": lambda: [psutil.Process(pid) for pid in self.clients()],
            "host": lambda: _with_children(hosts(self.plane)),
            "scribe": lambda: scribes(self.plane),
            "attempt": lambda: attempts(self.plane),
            "grandchild": lambda: _children(attempts(self.plane)),
        }
        with suppress(FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
            return found[target]()
        return []


def hosts(plane: Plane) -> list[psutil.Process]:
    """Processes that fork attempts: those of the plane that are no child of one of their kind."""
    alike = [each for each in plane.processes() if _HOST_WORDS in _words(each)]
    pids = {each.pid for each in alike}
    return [each for each in alike if _parent(each) not in pids and not _is_scribe(each)]


def scribes(plane: Plane) -> list[psutil.Process]:
    """Processes that keep what attempts print."""
    return [each for each in plane.processes() if _is_scribe(each)]


def attempts(plane: Plane) -> list[psutil.Process]:
    """What hosts have forked for attempts."""
    return [each for each in _children(hosts(plane)) if not _is_scribe(each)]


def _is_scribe(process: psutil.Process) -> bool:
    """By the mark that it shows to whoever looks for what is left of attempts."""
    try:
        return b"FLYTE_ATTEMPT_TOKEN=scribe\0" in Path(f"/proc/{process.pid}/environ").read_bytes()
    except OSError:
        return False


def _children(parents: list[psutil.Process]) -> list[psutil.Process]:
    """In one look at all processes: psutil's own `children` takes one per parent."""
    pids = {parent.pid for parent in parents}
    return [process for process in psutil.process_iter() if _parent(process) in pids]


def _with_children(parents: list[psutil.Process]) -> list[psutil.Process]:
    busy = {_parent(child) for child in _children(parents) if not _is_scribe(child)}
    return [parent for parent in parents if parent.pid in busy]


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _parent(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.ppid()
    return 0


def _signal(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether there was somebody to get it."""
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True
