"""What the world knows without asking the store: what was done, answered and told, and what trouble there was."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.sim.world.loop import running

Attempt = tuple[str, str, int, str]
"""Run, action, number, token."""


@dataclass
class Execution:
    """One process of an attempt."""

    attempt: Attempt
    host: str
    began: float
    ended: float | None = None
    ending: str = ""
    """`value`, `failed` (the user's fault), `parked`, `killed` or `vanished`."""


@dataclass
class Told:
    """Something that a user was told of an action."""

    run: str
    action: str
    phase: str
    output_uri: str
    at: float


@dataclass
class Journal:
    """Grows only."""

    executions: list[Execution] = field(default_factory=list)
    launches: dict[Attempt, float] = field(default_factory=dict)
    """When an executor was told to start it."""
    refused: set[Attempt] = field(default_factory=set)
    """Launches that the world refused, or lost with their control plane or host."""
    hurt: dict[Attempt, str] = field(default_factory=dict)
    """Attempts whose host was killed or frozen while they were there."""
    created: dict[str, float] = field(default_factory=dict)
    """Runs whose creation was answered."""
    accepted: list[tuple[str, str, int | str]] = field(default_factory=list)
    """Answers to conditions that were accepted: run, action and value."""
    parked: dict[tuple[str, str, int], set[str]] = field(default_factory=dict)
    """For what each attempt waited that gave its process back."""
    breaches: list[str] = field(default_factory=list)
    """What is not as promised, noticed while it happened."""
    asked_abort: dict[tuple[str, str], float] = field(default_factory=dict)
    answered_abort: dict[tuple[str, str], float] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    """Runs that had an unreadable row for a while."""
    forgotten: set[Attempt] = field(default_factory=set)
    """Attempts that a power cut took out of the store."""
    told: list[Told] = field(default_factory=list)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Ends by the user's fault, by run and action."""
    recorded: dict[tuple[str, str], float] = field(default_factory=dict)
    """Traces that the control plane has acknowledged."""
    repeated: list[tuple[str, str]] = field(default_factory=list)
    """Those that were executed again all the same."""
    traced: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    """What was successfully done."""
    lines: list[str] = field(default_factory=list)
    verbose: bool = False
    _digest: "hashlib._Hash" = field(default_factory=lambda: hashlib.blake2b(digest_size=8))

    def fault(self, kind: str, about: str = "") -> None:
        """Some trouble was made."""
        self.faults[kind] += 1
        self.note("FAULT", kind, about)

    def deed(self, kind: str, about: str = "") -> None:
        """Something succeeded."""
        self.deeds[kind] += 1
        self.note("done", kind, about)

    def note(self, *words: object) -> None:
        """A line of the trace."""
        line = f"{running().time():10.4f} {' '.join(map(str, words))}"
        self._digest.update(line.encode())
        self.lines.append(line)
        if self.verbose:
            print(line)

    def trace_begins(self, run: str, trace: str) -> None:
        """A traced function is executed."""
        self.traced[run, trace] += 1
        if (run, trace) in self.recorded:
            self.repeated.append((run, trace))

    def forget(self, since: float) -> None:
        """A power cut took what the store was told since a moment, but not what was promised to last."""
        late = [execution.attempt for execution in self.executions if execution.began > since]
        self.forgotten.update(late)
        self.hurt.update({execution.attempt: "power cut" for execution in self.executions})
        self.recorded = {trace: at for trace, at in self.recorded.items() if at <= since}
        self.told = [told for told in self.told if told.at <= since]

    @property
    def digest(self) -> str:
        """Equal for equal histories."""
        return self._digest.hexdigest()

    def by_action(self) -> dict[tuple[str, str], list[Execution]]:
        """All processes of each action, in the order of their beginnings."""
        found: dict[tuple[str, str], list[Execution]] = defaultdict(list)
        for execution in self.executions:
            found[execution.attempt[:2]].append(execution)
        return found
