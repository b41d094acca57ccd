"""The process executor: attempts in, events out."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain.events import Event, Failed, Lost, Started
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import LaunchSpec, Overrun, Report, Verdicts
from flyte_server.executors.common.interpreter import CannotRunError
from flyte_server.executors.common.jobs import Jobs
from flyte_server.executors.common.kin import Kin, Marks
from flyte_server.executors.common.limits.watch import Watch
from flyte_server.executors.process import measures
from flyte_server.executors.process.connection import Message, attempt_key, wire_key
from flyte_server.executors.process.host import Host
from flyte_server.executors.process.hosts import Hosts, Place
from flyte_server.executors.process.options import Options
from flyte_server.executors.process.records import HostRecord
from flyte_server.executors.process.reports import Reports

_log = logging.getLogger(__name__)
_HOUSEKEEPING_SECONDS = 3.0
_LOST_SECONDS = 10.0
"""How long an attempt that is lost waits for what is left of it, before the next one may start."""
_DEFAULTS = Options()


@dataclass(slots=True, eq=False)
class _Held:
    """One attempt, from the launch until its end is committed."""

    key: AttemptKey
    spec: LaunchSpec | None = None
    """None for an attempt that an earlier control plane launched."""
    host: Host | None = None
    leader: int = 0
    """Number of its process; 0 while it has none."""
    log_path: str = ""
    ending: bool = False
    """Its end is known, and is being reported."""
    doomed: bool = False
    """Somebody asked for its end: it ends when nothing of it is alive."""
    kill_answered: bool = False
    starting: asyncio.Task[None] | None = None
    """The report of its start, which comes before that of its end."""

    @property
    def marks(self) -> Marks:
        """How its processes are known."""
        return Marks(self.key.token, self.leader, self.log_path)


class ProcessExecutor:
    """Implements `engine.ports.Executor` with processes that hosts fork.

    What an attempt's end means is asked of `verdicts`; a host may forget an attempt only after
    `report` has returned, so that no crash of the control plane loses a result.

    Args:
        home: FLYTE_HOME; sockets, logs and working directories lie there.
        report: the engine's `apply`.
        verdicts: reads what ended processes left behind.
        clock: for pauses, and for the times of events.
        base_env: our own variables; attempts inherit those that do not configure us.
        options: numbers and programs.
    """

    def __init__(
        self,
        home: Path,
        report: Report,
        verdicts: Verdicts,
        clock: Clock,
        *,
        base_env: Mapping[str, str],
        options: Options = _DEFAULTS,
    ) -> None:
        self._clock = clock
        self._options = options
        self._reports = Reports(report, verdicts, clock)
        self._hosts = Hosts(
            home.absolute(), clock=clock, listener=self, base_env=base_env, options=options
        )
        self._watch = Watch(
            home.absolute(), "attempts", clock, options=options.watch, overrun=self._overran
        )
        self._swept = False
        """Whether the control groups of earlier control planes are gone."""
        self._kin = Kin(clock, self._hosts.pids)
        self._held: dict[AttemptKey, _Held] = {}
        self._jobs = Jobs()
        self._closed = False

    # -- engine.ports.Executor

    async def start(self) -> None:
        """Connect to the hosts of an earlier control plane; what they hold is known when this
        returns."""
        self._watch.start()
        for testament in await self._hosts.adopt():
            self._execute_testament(testament)
        self._jobs.start(self._watch.run())
        self._jobs.start(self._keep_house())
        self._jobs.start(self._keep_vigil())

    async def launch(self, spec: LaunchSpec) -> None:
        """Take over an attempt; returns before it has a process."""
        if spec.attempt not in self._held:
            held = self._held[spec.attempt] = _Held(spec.attempt, spec, log_path=spec.log_path)
            self._jobs.start(self._place(held, spec))

    async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
        """Have an attempt's processes ended; returns before they are.

        What is left of one that no host holds is looked for, and has no grace: its host died.
        """
        held = self._held.get(attempt)
        if held is None:
            held = self._held[attempt] = _Held(attempt)
            self._lose(held, "no host holds it, and nobody knows how it ended")
        elif held.host is None:
            self._lose(held, "it was ended before its process was started")
        elif not held.ending:
            held.host.send({"op": "kill", "key": wire_key(attempt), "grace": grace_seconds})
            if not held.doomed:
                self._jobs.start(self._insist(held, held.host, grace_seconds))
        held.doomed = True

    async def alive(self) -> Collection[AttemptKey]:
        """Attempts that have a process, or will have one, or whose end is not committed yet."""
        return tuple(self._held)

    async def beating(self) -> Collection[str]:
        """Hosts that answer, or have an excuse."""
        return self._hosts.beating()

    async def settled(self) -> bool:
        """Whether all hosts of an earlier control plane have said what they hold."""
        return self._hosts.settled()

    async def close(self) -> None:
        """Hang up.

        Hosts with attempts go on; what was not committed is heard again by the next `start`.
        """
        self._closed = True
        await self._jobs.close()
        await self._kin.close()
        await self._hosts.close()
        self._watch.close()

    # -- launching and killing

    async def _place(self, held: _Held, spec: LaunchSpec) -> None:
        try:
            place = await self._hosts.place(spec)
        except CannotRunError as error:
            failure = Failure("CannotRun", str(error), Blame.USER, recoverable=False)
            self._finish(held, Failed(held.key, failure, self._clock.now_us()))
        except OSError as error:
            self._lose(held, f"no host could be started: {error}")
        else:
            if held.ending:
                return  # ended while the host was looked for
            self._hand_over(held, spec, place)

    def _hand_over(self, held: _Held, spec: LaunchSpec, place: Place) -> None:
        held.host = place.host
        place.host.attempts.add(held.key)
        if place.host.gone.is_set():
            self._lose(held, "its host ended before the attempt reached it")
            return
        place.host.send(
            {
                "op": "launch",
                "key": wire_key(held.key),
                "argv": place.argv,
                "env": place.env,
                "log_path": spec.log_path,
                "output_prefix": spec.output_prefix,
                **measures.terms(self._watch, spec),
                "hidden_env": dict(spec.hidden.env),
                "hidden_files": dict(spec.hidden.files),
                "log_bytes": self._options.log_bytes,
            }
        )

    async def _insist(self, held: _Held, host: Host, grace_seconds: float) -> None:
        """A host that does not even answer is stuck (in an import, or stopped): it is ended with
        all it holds.  An import that others wait for too may go on; then the host has to answer."""
        await self._clock.sleep(grace_seconds)
        excused = True
        while excused:
            excused = self._is_needed(host) and host.excused()
            await self._clock.sleep(self._options.answer_seconds)
            if held.host is not host or held.ending or held.kill_answered:
                return
        _log.warning("host %s does not answer a kill; it is ended", host.host_id)
        host.condemn("did not answer a kill")

    def _is_needed(self, host: Host) -> bool:
        """Whether it holds attempts that nobody wants ended."""
        return any(key in self._held and not self._held[key].doomed for key in host.attempts)

    async def _keep_house(self) -> None:
        while True:
            self._hosts.trim()
            if not self._swept and self._hosts.settled():
                self._swept = True
                self._watch.sweep({key.token for key in self._held})
            try:
                await self._hosts.warm()
            except OSError as error:
                _log.warning("cannot start a spare host: %s", error)
            await self._clock.sleep(_HOUSEKEEPING_SECONDS)

    async def _keep_vigil(self) -> None:
        while True:
            try:
                self._hosts.look()
            except Exception:  # noqa: BLE001 - the edge of a loop that must not end
                _log.exception("the hosts could not be looked at; trying again")
            await self._clock.sleep(self._hosts.tick_seconds)

    # -- host.Listener

    def heard(self, host: Host, messages: Sequence[Message]) -> None:
        """What a host says of its attempts; a start and an end that come together are reported
        as one event."""
        if self._closed:
            return
        started = [message for message in messages if message["op"] == "started"]
        for message in started:
            if not self._hold(host, message).ending:
                measures.begin(self._watch, message)
        hearers: Mapping[str, Callable[[Host, Message], object]] = {
            "waiting": self._hold,
            "exited": self._exited,
            "refused": self._refused,
            "killing": self._killing,
            "leaving": lambda host, _: self._hosts.let_go(host),
        }
        for message in messages:
            if message["op"] in hearers:
                hearers[message["op"]](host, message)
        for message in started:
            held = self._held.get(attempt_key(message))
            if held is not None and not held.ending and held.starting is None:
                event = Started(held.key, host.host_id, message["pid"], message["at"])
                held.starting = self._jobs.start(self._reports.deliver(event))

    async def ended(self, host: Host, sentence: str) -> None:
        """A host is gone, and with it every process that it had forked; what those had started is
        ended before the attempts are lost."""
        testament = self._hosts.ended(host, sentence)
        if self._closed:
            return
        if testament is not None:
            self._execute_testament(testament)
        for key in tuple(host.attempts):
            self._lose(self._held.get(key), sentence)

    def _hold(self, host: Host, message: Message) -> _Held:
        key = attempt_key(message)
        held = self._held.setdefault(key, _Held(key))
        held.host = host
        held.leader = message.get("pid", held.leader)
        held.log_path = message.get("log_path", held.log_path)
        host.attempts.add(key)
        return held

    def _exited(self, host: Host, message: Message) -> None:
        held = self._hold(host, message)
        if not held.ending:
            held.ending = True
            self._jobs.start(self._conclude(held, message))

    def _refused(self, host: Host, message: Message) -> None:
        held = self._hold(host, message)
        elsewhere = message["unfit"] or message.get("leaving", False)
        if elsewhere and held.spec is not None and not held.ending:
            if message["unfit"]:
                self._hosts.cannot_fork(host)
            else:
                self._hosts.let_go(host)
            host.acknowledge(held.key)
            held.host = None
            self._jobs.start(self._place(held, held.spec))
        else:
            self._lose(held, message["reason"])

    def _killing(self, host: Host, message: Message) -> None:
        held = self._held.get(attempt_key(message))
        if held is None or held.host is not host:
            return
        held.kill_answered = True
        if not message["known"]:
            self._lose(held, "its host does not know it")

    def _overran(self, token: str, overrun: Overrun) -> None:
        """An attempt went beyond a bound: it is ended, or told what happened to a process below it."""
        held = next((held for key, held in self._held.items() if key.token == token), None)
        if held is None or held.host is None or held.ending:
            return
        if not overrun.ended:
            held.host.send(measures.note(wire_key(held.key), overrun))
            return
        held.host.send(measures.kill(wire_key(held.key), overrun))
        if not held.doomed:
            self._jobs.start(self._insist(held, held.host, grace_seconds=0.0))
        held.doomed = True

    # -- ends

    def _lose(self, held: _Held | None, reason: str) -> None:
        if held is not None:
            self._finish(held, Lost(held.key, reason, self._clock.now_us()))

    def _finish(self, held: _Held, event: Event) -> None:
        if not held.ending:
            held.ending = True
            self._jobs.start(self._commit(held, event))

    async def _conclude(self, held: _Held, exited: Message) -> None:
        held.doomed = held.doomed or exited.get("doomed", False)
        measured = measures.at_the_end(self._watch, exited)
        await self._commit(held, await self._reports.end_of(exited, measured))

    async def _commit(self, held: _Held, event: Event) -> None:
        if held.starting is not None:
            await held.starting
        if held.doomed or isinstance(event, Lost):
            self._watch.kill(held.key.token)
            await self._kin.end(held.marks, lambda waited: _is_hopeless(held, waited))
        await self._reports.deliver(event)
        self._watch.leave(held.key.token)
        self._held.pop(held.key, None)
        if held.host is not None:
            held.host.acknowledge(held.key)

    def _execute_testament(self, testament: HostRecord) -> None:
        """Report what a host that ended alone could tell nobody; its record goes when all of it
        is committed."""
        for message in testament.ended:
            held = self._held.setdefault(attempt_key(message), _Held(attempt_key(message)))
            held.ending = True
        self._jobs.start(self._conclude_all(testament))

    async def _conclude_all(self, testament: HostRecord) -> None:
        for message in testament.ended:
            held = self._held[attempt_key(message)]
            if message["op"] == "exited":
                await self._conclude(held, message)
            else:
                await self._commit(held, Lost(held.key, message["reason"], message["at"]))
        testament.path.unlink(missing_ok=True)


def _is_hopeless(held: _Held, waited: float) -> bool:
    """Whether to go on although something resists SIGKILL; never when somebody asked for the end."""
    return not held.doomed and waited > _LOST_SECONDS
