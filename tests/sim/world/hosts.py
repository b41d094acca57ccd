"""Hosts and the processes of attempts: they outlive control planes, and are killed, frozen, deaf."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sim.world.journal import Attempt, Execution, Journal
from tests.sim.world.loop import Being, VirtualLoop

from flyte_server.domain.records import AttemptKey
from flyte_server.engine.ports import LaunchSpec

Hear = Callable[["Host", str, dict[str, Any]], None]
_KILL_SECONDS = 0.02
_DEAF_SECONDS = 25.0


@dataclass
class Process:
    """One attempt at work."""

    being: Being
    spec: LaunchSpec
    execution: Execution
    deaf_until: float = 0.0
    awaits: tuple[str, ...] = ()
    """Of one that gives itself back: for which conditions."""


@dataclass
class Ended:
    """What became of an attempt, until somebody has committed it."""

    spec: LaunchSpec
    ending: str
    at: int
    awaits: tuple[str, ...] = ()


@dataclass
class Host:
    """Holds attempts, and says what becomes of them to the one control plane that is connected."""

    being: Being
    home: str
    """The machine: only its control plane knows this host."""
    clock: Callable[[], int]
    journal: Journal
    program: Callable[["Host", Process], None]
    """Starts the user's program in a process."""
    deaf: Callable[[], bool]
    processes: dict[AttemptKey, Process] = field(default_factory=dict)
    ended: dict[AttemptKey, Ended] = field(default_factory=dict)
    heard_by: Hear | None = None
    listener: Being | None = None
    _inbox: deque[tuple[str, dict[str, Any]]] = field(
        default_factory=deque[tuple[str, dict[str, Any]]]
    )
    _waiting: dict[AttemptKey, LaunchSpec] = field(default_factory=dict[AttemptKey, LaunchSpec])
    """Between two lines of `_read` only: launches that were read and not begun."""
    _loop: VirtualLoop = field(init=False)

    def __post_init__(self) -> None:
        self._loop = self.being._loop
        self.being.bereaved.append(self._died)

    @property
    def name(self) -> str:
        return self.being.name

    @property
    def number(self) -> int:
        """Which of all hosts."""
        return int(self.name.removeprefix("host"))

    def connect(self, listener: Being, hear: Hear) -> None:
        """Tell a control plane everything that is not over; from now on it hears the rest."""
        self.listener, self.heard_by = listener, hear
        for process in self.processes.values():
            self._say("started", spec=process.spec, at=self.clock())
        for ended in self.ended.values():
            self._say_ended(ended)
        self._say("ready")

    def disconnect(self) -> None:
        """The control plane hangs up."""
        self.listener = self.heard_by = None

    # -- what it is told

    def tell(self, op: str, **words: Any) -> None:
        """A message for it; it is read when the host has time for it."""
        if self.being.alive:
            self._inbox.append((op, words))
            self._loop.call_soon(self._read, context=self.being.context)

    def _read(self) -> None:
        """Everything that has come, in its order; a process is started when nothing else is there to be read."""
        while self._inbox:
            self._obey(*self._inbox.popleft())
        for key in list(self._waiting):
            self._start(self._waiting.pop(key))

    def _obey(self, op: str, words: dict[str, Any]) -> None:
        match op:
            case "launch":
                self._launch(words["spec"])
            case "kill":
                self._kill(words["key"], words["grace"])
            case "ping":
                self._say("pong")
            case "ack":
                self.ended.pop(words["key"], None)
            case _:
                raise AssertionError(op)

    def _launch(self, spec: LaunchSpec) -> None:
        if spec.attempt not in self.processes and spec.attempt not in self.ended:
            self._waiting[spec.attempt] = spec

    def _start(self, spec: LaunchSpec) -> None:
        being = Being(self._loop, f"{spec.run_name}/{spec.attempt.action}/{spec.attempt.number}")
        execution = Execution(attempt_of(spec), self.name, self._loop.time())
        self.journal.executions.append(execution)
        self.journal.note("begins", *execution.attempt, "on", self.name)
        process = self.processes[spec.attempt] = Process(being, spec, execution)
        self._say("started", spec=spec, at=self.clock())
        self.program(self, process)

    def _kill(self, key: AttemptKey, grace: float) -> None:
        process, waiting = self.processes.get(key), self._waiting.pop(key, None)
        known = process is not None or waiting is not None or key in self.ended
        self._say("killing", key=key, known=known)
        if waiting is not None:
            self.ended[key] = Ended(waiting, "killed", self.clock())
            self._say_ended(self.ended[key])
        if process is None:
            return
        wait = _KILL_SECONDS
        if not process.deaf_until and self.deaf():
            self.journal.fault("process deaf", process.being.name)
            process.deaf_until = self._loop.time() + _DEAF_SECONDS
        if process.deaf_until:
            wait = max(grace, process.deaf_until - self._loop.time())
        self._loop.call_later(wait, self.end, process, "killed", context=self.being.context)

    # -- what becomes of processes

    def end(self, process: Process, ending: str) -> None:
        """A process is gone; the host learns it when it has time for it."""
        key = process.spec.attempt
        if self.processes.get(key) is not process:
            return
        finish(self.journal, process, ending, self._loop.time())
        process.being.kill()
        del self.processes[key]
        awaits = process.awaits if ending == "parked" else ()
        self.ended[key] = Ended(process.spec, ending, self.clock(), awaits)
        self._say_ended(self.ended[key])

    def ends(self, process: Process, ending: str) -> None:
        """What a process does when it ends by itself."""
        finish(self.journal, process, ending, self._loop.time())
        process.being.kill()
        self._loop.call_soon(self.end, process, ending, context=self.being.context)

    def _died(self) -> None:
        for held in (*self.processes.values(), *self.ended.values()):
            self.journal.hurt[attempt_of(held.spec)] = f"{self.name} was killed"
        for process in self.processes.values():
            finish(self.journal, process, "vanished", self._loop.time())
            process.being.kill()
        self.processes.clear()
        self.ended.clear()
        self._say("gone")

    def _say_ended(self, ended: Ended) -> None:
        self._say("exited", spec=ended.spec, ending=ended.ending, at=ended.at, awaits=ended.awaits)

    def _say(self, op: str, **words: Any) -> None:
        if self.heard_by is not None and self.listener is not None and self.listener.alive:
            self._loop.call_soon(self.heard_by, self, op, words, context=self.listener.context)


def attempt_of(spec: LaunchSpec) -> Attempt:
    """How the journal names an attempt."""
    return (spec.run_name, spec.attempt.action, spec.attempt.number, spec.attempt.token)


def finish(journal: Journal, process: Process, ending: str, at: float) -> None:
    """Note the end of a process, once."""
    if process.execution.ended is None:
        process.execution.ended, process.execution.ending = at, ending
        journal.note("ends", *process.execution.attempt, ending)
