"""All pools and replicas of this machine: found again, started, watched, let go."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain import needs
from flyte_server.domain.errors import ControlPlaneError
from flyte_server.domain.silence import Silence
from flyte_server.engine.ports import LaunchSpec
from flyte_server.executors.common import interpreter
from flyte_server.executors.common.interpreter import Probes
from flyte_server.executors.common.jobs import Jobs
from flyte_server.executors.replicas import records
from flyte_server.executors.replicas.options import Options
from flyte_server.executors.replicas.pool import Pool
from flyte_server.executors.replicas.replica import Replica
from flyte_server.executors.replicas.spawning import Program
from flyte_server.executors.replicas.starting import Starter

_log = logging.getLogger(__name__)
_SHARE_OF_LEASE = 0.2
"""A replica must call at least so often; and so often is looked who has not."""


class Pools:
    """Who is there, by pool and by name.

    Args:
        home: FLYTE_HOME; records and logs lie there.
        clock: the time.
        options: numbers.
        starter: makes replicas.
        jobs: what goes on beside.
        failed: told of a pool of which a process could not be started, and why.
    """

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        options: Options,
        starter: Starter,
        jobs: Jobs,
        failed: Callable[[Pool, str], None],
    ) -> None:
        self._home = home
        self._clock = clock
        self._starter = starter
        self._jobs = jobs
        self._failed = failed
        self._options = options
        self._probes = Probes(clock)
        self._by_key: dict[str, Pool] = {}
        self.replicas: dict[str, Replica] = {}
        """All that are there, by id."""
        self.unheard: set[Replica] = set()
        """Started by an earlier control plane, and silent so far about what they hold."""
        self.anybody = asyncio.Event()
        """Set while there is a replica."""
        self.beat_seconds = _SHARE_OF_LEASE * options.lease_seconds
        self._silence = Silence[str](self.beat_seconds)

    # -- where an attempt goes

    async def can_serve(self, spec: LaunchSpec) -> bool:
        """Whether the attempt's interpreter has replicas, and it is one of our tasks.

        Where there is no interpreter at all, its pool says so.
        """
        if spec.command != (interpreter.TASK_COMMAND,):
            return False
        known = self._by_key.get(_key(spec))
        if known is not None and known.program is not None:
            return True
        python = self._starter.interpreter(spec)
        return not python.python.exists() or await self._probes.can_replicate(python, spec.env)

    def of(self, spec: LaunchSpec) -> Pool:
        """The pool for an attempt: equal numbers, variables, code and interpreter.

        Raises:
            CannotRunError: its interpreter does not exist here.
        """
        assert spec.pool is not None, "only attempts with a pool come here"
        key = _key(spec)
        pool = self._by_key.get(key)
        if pool is None or pool.program is None:
            program = self._starter.program(spec)
            pool = self._made(key, spec.pool)
            pool.program = program
        pool.policy = spec.pool
        return pool

    def by_key(self, key: str) -> Pool:
        """The pool of a replica."""
        return self._by_key[key]

    def _made(self, key: str, policy: needs.Pool) -> Pool:
        made = Pool(key, policy, start=self._start, clock=self._clock)
        return self._by_key.setdefault(key, made)

    # -- starting and finding

    def _start(self, pool: Pool, program: Program) -> None:
        self._jobs.start(self._begin(pool, program))

    async def _begin(self, pool: Pool, program: Program) -> None:
        try:
            replica = await self._starter.start(pool, program)
        except OSError as error:
            pool.not_begun()
            self._failed(pool, f"its process could not be started: {error}")
        except ControlPlaneError as error:
            pool.not_begun()
            _log.warning("no replica of pool %s could be started: %s", pool.key, error)
        else:
            if replica is None:
                pool.not_begun()  # asked for again at the next look
            else:
                pool.begun(replica)
                self._note(replica)

    def _note(self, replica: Replica) -> None:
        self.replicas[replica.replica_id] = replica
        self._silence.watch(replica.replica_id)
        self.anybody.set()

    async def adopt(self) -> None:
        """Find the replicas of an earlier control plane, dead or alive; those alive will register."""
        for record in records.found(self._home):
            replica = await self._starter.adopt(record)
            self._made(record.pool_key, record.pool).replicas.append(replica)
            self.unheard.add(replica)
            self._note(replica)
        records.prune_logs(self._home)

    # -- signs of life

    def heard(self, replica: Replica) -> None:
        """It has called."""
        self._silence.heard(replica.replica_id)

    def beating(self) -> list[str]:
        """Ids of the replicas that are alive by all that is known now."""
        return [
            replica_id
            for replica_id, replica in self.replicas.items()
            if replica.registered
            and not replica.condemned
            and self._silence.of(replica_id) < self._options.lease_seconds / 2
        ]

    def look(self) -> None:
        """End who is silent for too long, and keep every pool at the size that it should have; once per beat."""
        self._silence.keep(self.replicas)
        self._silence.tick(self._clock.monotonic())
        for replica_id, replica in self.replicas.items():
            silent = self._silence.of(replica_id)
            if replica.registered and silent > self._options.lease_seconds:
                self._condemn(replica, f"gave no sign of life for {silent:.0f} s")
            elif not replica.registered and silent > self._options.start_seconds:
                self._condemn(replica, f"did not register within {silent:.0f} s")
            elif replica.leaving_seconds > self._options.drain_seconds:
                self._condemn(replica, "did not end although it held nothing")
        for pool in self._by_key.values():
            pool.keep_least()
        self._forget_empty()

    def _condemn(self, replica: Replica, reason: str) -> None:
        if not replica.condemned:
            _log.warning("replica %s %s; it is ended", replica.replica_id, reason)
            replica.condemn(reason)

    def _forget_empty(self) -> None:
        empty = [key for key, pool in self._by_key.items() if pool.unused]
        for key in empty:
            del self._by_key[key]

    def remove(self, replica: Replica) -> None:
        """Nothing of it is left."""
        self.replicas.pop(replica.replica_id, None)
        self.unheard.discard(replica)
        self._by_key[replica.pool_key].replicas.remove(replica)
        self._starter.clear(replica)

    async def give_back(self, replica: Replica) -> None:
        """Its part of the machine is free again."""
        await self._starter.give_back(replica)

    def ending(self, replica: Replica) -> str:
        """How it ended, in one sentence; with what its log says last if that was not in good order."""
        seen = f"{replica.condemned}; it " if replica.condemned else ""
        pid, how = replica.process.pid, replica.process.ending
        sentence = f"replica {replica.replica_id} (process {pid}) {seen}{how}"
        words = records.last_words(self._home, replica.replica_id)
        return f"{sentence}; its log ends with: {words}" if words else sentence


def _key(spec: LaunchSpec) -> str:
    """Of the pool of an attempt; runs that choose other variables or an interpreter of their own have another one."""
    assert spec.pool is not None, "only attempts with a pool come here"
    return f"{spec.pool.key}-{spec.host_key[:12]}"
