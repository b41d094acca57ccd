"""The hosts of this machine: found again, started, bound to what they serve, and let go."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.engine.ports import LaunchSpec
from flyte_server.executors.common import environment, interpreter
from flyte_server.executors.common.interpreter import Interpreter, Probes
from flyte_server.executors.process import adoption, records, spawning
from flyte_server.executors.process.host import Host, Listener
from flyte_server.executors.process.options import SPAWN_HOST_WORDS, Options
from flyte_server.executors.process.records import HostRecord
from flyte_server.executors.process.spawning import HostProgram
from flyte_server.executors.process.vigil import Vigil

_log = logging.getLogger(__name__)
_SPAWN = "spawn"
"""Key of the one host whose children execute commands."""
_FAREWELL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt goes: which host, and what it is told to perform there."""

    host: Host
    argv: list[str]
    env: dict[str, str]


class Hosts:
    """All hosts that are alive, by what they serve."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        listener: Listener,
        base_env: Mapping[str, str],
        options: Options,
    ) -> None:
        self._home = home
        self._clock = clock
        self._listener = listener
        self._base_env = environment.inheritable(base_env)
        self._options = options
        self._probes = Probes(clock)
        self._all: set[Host] = set()
        self._by_key: dict[str, Host] = {}
        self._unfit: set[str] = set()
        """Keys whose attempts cannot be forked, because their modules start threads."""
        self._unheard: set[Host] = set()
        """Adopted, and silent so far about what they hold."""
        self._vigil = Vigil(clock, lambda: self._all, lease_seconds=options.lease_seconds)
        self._spare: Host | None = None
        """Started, bound to nothing yet."""
        self._keep_warm = options.keep_warm
        self._starting = asyncio.Lock()

    # -- where an attempt goes

    async def place(self, spec: LaunchSpec) -> Place:
        """The host for an attempt, started if there is none; it need not have said hello yet.

        Raises:
            CannotRunError: the attempt's interpreter or command does not exist here.
        """
        python = Interpreter(Path(spec.env.get("VIRTUAL_ENV") or self._options.prefix))
        python.check()
        env = environment.of_attempt(
            spec, base=self._base_env, prefix=python.prefix, home=self._home
        )
        key = json.dumps([spec.host_key, spec.cpus, str(python.python)])
        if await self._forks(spec, key, python, env):
            program = HostProgram(python.python, self._options.host_words)
            host = await self._bound(key, program, env)
            return Place(host, [*spec.command, *spec.args], env)
        argv = interpreter.executable(spec, python, env)
        program = HostProgram(Path(sys.executable), SPAWN_HOST_WORDS)
        host = await self._bound(_SPAWN, program, self._base_env)
        return Place(host, argv, {"PYTHONUNBUFFERED": "1", **env})

    async def _forks(
        self, spec: LaunchSpec, key: str, python: Interpreter, env: Mapping[str, str]
    ) -> bool:
        task = spec.command == (interpreter.TASK_COMMAND,)
        return task and key not in self._unfit and await self._probes.can_host(python, env)

    async def _bound(self, key: str, program: HostProgram, env: Mapping[str, str]) -> Host:
        async with self._starting:
            self._welcome()
            host = self._by_key.get(key)
            if host is None:
                early = environment.read_at_start(env, self._base_env)
                host = self._take_spare(program, early) or await self._start(program, early)
                host.bound = key
                host.send({"op": "bind", "host_key": key, "env": environment.of_host(env)})
                self._by_key[key] = host
        return host

    def cannot_fork(self, host: Host) -> None:
        """The host found that its attempts cannot be forked: from now on they are executed."""
        if host.bound not in self._unfit:
            self._unfit.add(host.bound)
            self._dismiss(host)

    def let_go(self, host: Host) -> None:
        """The host must end: nothing more goes there."""
        self._dismiss(host)

    # -- starting and ending

    async def _start(self, program: HostProgram, early: Mapping[str, str]) -> Host:
        host = self._new(spawning.new_host_id())
        await host.start(program, {**self._base_env, **early})
        self._all.add(host)
        return host

    def _new(self, host_id: str) -> Host:
        return Host(self._home, host_id, clock=self._clock, listener=self._listener)

    def _take_spare(self, program: HostProgram, early: Mapping[str, str]) -> Host | None:
        fits = program == self._spare_program() and not early
        if self._spare is None or not fits:
            return None
        host, self._spare = self._spare, None
        return host

    def _spare_program(self) -> HostProgram:
        return HostProgram(Interpreter(self._options.prefix).python, self._options.host_words)

    async def warm(self) -> None:
        """Have a spare host, if the interpreter that most runs use can have hosts at all."""
        python = Interpreter(self._options.prefix)
        async with self._starting:
            wanted = self._spare is None and self._keep_warm and python.python.exists()
            if wanted and await self._probes.can_host(python, self._base_env):
                self._spare = await self._start(self._spare_program(), {})

    def pids(self) -> set[int]:
        """Their processes."""
        return {host.process.pid for host in self._all}

    # -- signs of life

    @property
    def tick_seconds(self) -> float:
        """How often `look` is due."""
        return self._vigil.tick_seconds

    def look(self) -> None:
        """Hear who has answered, ask again, and end who is silent for too long."""
        self._welcome()
        self._vigil.look()

    def beating(self) -> list[str]:
        """Ids of the hosts that are alive."""
        return self._vigil.beating()

    def settled(self) -> bool:
        """Whether all adopted hosts have said what they hold."""
        return all(host.ready.is_set() for host in self._unheard)

    def ended(self, host: Host, sentence: str) -> HostRecord | None:
        """A host's process is gone; gives its testament, if it left one while we came."""
        if host is self._spare:
            self._spare, self._keep_warm = None, False
            _log.warning("no spare host is kept: %s", sentence)
        self._all.discard(host)
        if self._by_key.get(host.bound) is host:
            del self._by_key[host.bound]
        record = records.read(records.path_of(self._home, host.host_id))
        if record is not None and record.ended:
            return record
        records.discard(self._home, host.host_id)
        return None

    def _dismiss(self, host: Host) -> None:
        if self._by_key.get(host.bound) is host:
            del self._by_key[host.bound]
        if host is self._spare:
            self._spare = None
        host.stop()

    def trim(self) -> None:
        """Let hosts go that have been idle for long, or that are too many."""
        idle = [host for host in self._by_key.values() if not host.attempts]
        idle.sort(key=lambda host: host.idle_since, reverse=True)
        now = self._clock.monotonic()
        for rank, host in enumerate(idle):
            too_long = now - host.idle_since > self._options.idle_seconds
            if too_long or rank >= self._options.idle_hosts:
                self._dismiss(host)

    async def close(self) -> None:
        """Hang up; hosts that hold nothing end."""
        self._welcome()
        idle = [host for host in self._all - self._unheard if not host.attempts]
        for host in idle:
            self._dismiss(host)
            if not host.ready.is_set():
                host.process.kill()
        farewells = [asyncio.ensure_future(host.gone.wait()) for host in idle]
        if farewells:
            _, late = await asyncio.wait(farewells, timeout=_FAREWELL_SECONDS)
            for waiting in late:
                waiting.cancel()
        for host in self._all:
            host.release()

    async def adopt(self) -> list[HostRecord]:
        """Connect to the hosts of an earlier control plane and hear what they hold.

        Returns:
            The testaments of hosts that ended with something to say.
        """
        found = await adoption.adopt(
            self._home, self._new, answer_seconds=self._options.adopt_seconds
        )
        self._unheard = {host for host in found.hosts if not host.gone.is_set()}
        self._all |= self._unheard
        self._welcome()
        records.prune_logs(self._home)
        return found.testaments

    def _welcome(self) -> None:
        """Use the adopted hosts that have said by now what they serve and hold."""
        for host in [host for host in self._unheard if host.ready.is_set()]:
            self._unheard.discard(host)
            if host.gone.is_set():
                continue
            if host.bound and host.bound not in self._by_key:
                self._by_key[host.bound] = host
            else:
                host.stop()  # a spare one, maybe of an older SDK; or one that was on its way out
