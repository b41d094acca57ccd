"""An executor for simulated hosts: does what the process executor does, message by message."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.sim.world.hosts import Host, attempt_of
from tests.sim.world.journal import Journal
from tests.sim.world.loop import Being, running

from flyte_server.clock import Clock
from flyte_server.domain.events import Event, Failed, Lost, Parked, Started, Succeeded
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import LaunchSpec, Report
from flyte_server.executors.process.vigil import Vigil

USERS_FAULT = "UserFault"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_ANSWER_SECONDS = 10.0
_LEASE_SECONDS = 10.0


class Machine(Protocol):
    """Where hosts are."""

    journal: Journal

    def start_host(self, plane: Being) -> Host: ...
    def hosts_of(self, plane: Being) -> list[Host]: ...
    def refuses_launch(self) -> bool: ...
    def report_fate(self) -> str: ...
    def kill_host(self, host: Host) -> None: ...


@dataclass(eq=False)
class _Held:
    key: AttemptKey
    spec: LaunchSpec | None = None
    host: Host | None = None
    ending: bool = False
    kill_sent: bool = False
    kill_answered: bool = False
    starting: "asyncio.Task[Any] | None" = None


@dataclass(eq=False)
class _Watched:
    """A host as `Vigil` sees it."""

    host: Host
    machine: Machine
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    answered: bool = True

    def __hash__(self) -> int:
        return self.host.number

    @property
    def host_id(self) -> str:
        return self.host.name

    def excused(self) -> bool:
        return False

    def ask(self) -> None:
        self.answered = False
        self.host.tell("ping")

    def condemn(self, reason: str) -> None:
        self.machine.kill_host(self.host)


class SimulatedExecutor:
    """Implements `engine.ports.Executor`."""

    def __init__(self, machine: Machine, plane: Being, report: Report, clock: Clock) -> None:
        self._machine = machine
        self._plane = plane
        self._report = report
        self._clock = clock
        self._held: dict[AttemptKey, _Held] = {}
        self._hosts: list[Host] = []
        self._ready: dict[str, asyncio.Event] = {}
        self._watched: dict[str, _Watched] = {}
        self._vigil = Vigil(clock, self._watched.values, lease_seconds=_LEASE_SECONDS)

    # -- engine.ports.Executor

    async def start(self) -> None:
        found = self._machine.hosts_of(self._plane)
        for host in found:
            self._connect(host)
        for host in found:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._ready[host.name].wait()
            except TimeoutError:
                self._machine.kill_host(host)
        self._plane.do(self._keep_vigil(), "vigil")

    async def launch(self, spec: LaunchSpec) -> None:
        journal = self._machine.journal
        if spec.attempt in self._held:
            return
        if self._machine.refuses_launch():
            journal.refused.add(attempt_of(spec))
            journal.fault("launch refused", spec.attempt.action)
            raise OSError("no process can be started")
        journal.launches[attempt_of(spec)] = running().time()
        journal.note("launch", *attempt_of(spec), "by", self._plane.name)
        held = self._held[spec.attempt] = _Held(spec.attempt, spec)
        self._plane.do(self._place(held, spec))

    async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
        self._machine.journal.note("kill", attempt.run_id, attempt.action, attempt.number)
        held = self._held.get(attempt)
        if held is None:
            await self._deliver(Lost(attempt, "nobody holds it here", self._clock.now_us()))
        elif held.host is None:
            self._lose(held, "it was ended before its process was started")
        elif not held.ending:
            held.host.tell("kill", key=attempt, grace=grace_seconds)
            if not held.kill_sent:
                held.kill_sent = True
                self._plane.do(self._insist(held, held.host, grace_seconds))

    async def alive(self) -> Collection[AttemptKey]:
        return tuple(self._held)

    async def settled(self) -> bool:
        return all(self._ready[host.name].is_set() or not host.being.alive for host in self._hosts)

    async def beating(self) -> Collection[str]:
        return self._vigil.beating()

    async def close(self) -> None:
        for host in self._hosts:
            host.disconnect()

    # -- hosts

    async def _keep_vigil(self) -> None:
        while True:
            self._vigil.look()
            await self._clock.sleep(self._vigil.tick_seconds)

    def _connect(self, host: Host) -> None:
        self._hosts.append(host)
        self._watched[host.name] = _Watched(host, self._machine)
        self._ready[host.name] = asyncio.Event()
        # The host speaks when it is awake; a connection is accepted by the kernel.
        running().call_soon(host.connect, self._plane, self._heard, context=host.being.context)
        host.listener = self._plane
        host.heard_by = None

    async def _place(self, held: _Held, spec: LaunchSpec) -> None:
        await self._clock.sleep(0.01)
        living = [host for host in self._hosts if host.being.alive]
        host = living[-1] if living else self._machine.start_host(self._plane)
        if host not in self._hosts:
            self._connect(host)
        if not held.ending:
            held.host = host
            host.tell("launch", spec=spec)

    async def _insist(self, held: _Held, host: Host, grace: float) -> None:
        await self._clock.sleep(grace + _ANSWER_SECONDS)
        if not held.ending and not held.kill_answered:
            self._machine.kill_host(host)

    def _heard(self, host: Host, op: str, words: dict[str, Any]) -> None:
        hearers: dict[str, Callable[[Host, dict[str, Any]], None]] = {
            "pong": self._answered,
            "ready": lambda *_: self._ready[host.name].set(),
            "started": self._started,
            "exited": self._exited,
            "killing": self._killing,
            "gone": self._gone,
        }
        hearers[op](host, words)

    def _hold(self, host: Host, spec: LaunchSpec) -> _Held:
        held = self._held.setdefault(spec.attempt, _Held(spec.attempt, spec))
        held.host = host
        return held

    def _started(self, host: Host, words: dict[str, Any]) -> None:
        held = self._hold(host, words["spec"])
        if held.starting is None and not held.ending:
            event = Started(held.key, host.name, 1, words["at"])
            held.starting = self._plane.do(self._deliver(event))

    def _exited(self, host: Host, words: dict[str, Any]) -> None:
        held = self._hold(host, words["spec"])
        key, at = held.key, words["at"]
        match words["ending"]:
            case "value":
                event: Event = Succeeded(key, at)
            case "parked":
                event = Parked(key, at, words["awaits"])
            case "failed":
                event = Failed(key, Failure(USERS_FAULT, "by plan"), at)
            case other:
                event = Failed(key, Failure("Killed", other, Blame.SYSTEM), at)
        self._finish(held, event)

    def _killing(self, host: Host, words: dict[str, Any]) -> None:
        held = self._held.get(words["key"])
        if held is not None and held.host is host:
            held.kill_answered = True
            if not words["known"]:
                self._lose(held, "its host does not know it")

    def _answered(self, host: Host, _words: dict[str, Any]) -> None:
        self._watched[host.name].answered = True

    def _gone(self, host: Host, _words: dict[str, Any]) -> None:
        self._ready[host.name].set()
        self._watched[host.name].gone.set()
        for held in list(self._held.values()):
            if held.host is host:
                self._lose(held, f"{host.name} is gone")

    # -- reports

    def _lose(self, held: _Held, reason: str) -> None:
        self._finish(held, Lost(held.key, reason, self._clock.now_us()))

    def _finish(self, held: _Held, event: Event) -> None:
        if not held.ending:
            held.ending = True
            self._plane.do(self._commit(held, event))

    async def _commit(self, held: _Held, event: Event) -> None:
        if held.starting is not None:
            await held.starting
        await self._deliver(event)
        if self._machine.report_fate() == "doubled":
            await self._deliver(event)
        self._held.pop(held.key, None)
        if held.host is not None and self._machine.report_fate() != "lost":
            held.host.tell("ack", key=held.key)

    async def _deliver(self, event: Event) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._report(event)
            except Exception:  # noqa: BLE001 - as the process executor: nothing else would try again
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return
