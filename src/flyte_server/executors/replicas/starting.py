"""What it takes to have a replica, and what is given back when it is gone: room on the machine, bounds, a record."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain.capacity import Standing
from flyte_server.engine.ports import LaunchSpec, Room
from flyte_server.executors.common import environment, processes
from flyte_server.executors.common.interpreter import Interpreter
from flyte_server.executors.common.limits.watch import Watch
from flyte_server.executors.common.limits.watched import Subject
from flyte_server.executors.common.processes import HostProcess
from flyte_server.executors.replicas import records, spawning
from flyte_server.executors.replicas.options import PROTOCOL, TOKEN, Options
from flyte_server.executors.replicas.pool import Pool
from flyte_server.executors.replicas.records import ReplicaRecord
from flyte_server.executors.replicas.replica import Replica
from flyte_server.executors.replicas.spawning import Program

_log = logging.getLogger(__name__)


class Starter:
    """Makes replicas out of pools and records, and clears away what they leave.

    Args:
        home: FLYTE_HOME.
        clock: the time.
        base_env: our own variables that replicas inherit.
        options: numbers and programs.
        room: gives parts of the machine.
        watch: holds replicas to their bounds.
    """

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        base_env: Mapping[str, str],
        options: Options,
        room: Room,
        watch: Watch,
    ) -> None:
        self._home = home
        self._clock = clock
        self._base_env = environment.inheritable(base_env)
        self._options = options
        self._room = room
        self._watch = watch

    def interpreter(self, spec: LaunchSpec) -> Interpreter:
        """The Python of an attempt."""
        return Interpreter(Path(spec.env.get("VIRTUAL_ENV") or self._options.prefix))

    def program(self, spec: LaunchSpec) -> Program:
        """How replicas for such attempts are started.

        Raises:
            CannotRunError: its interpreter does not exist here.
        """
        python = self.interpreter(spec)
        python.check()
        env = environment.of_attempt(
            spec, base=self._base_env, prefix=python.prefix, home=self._home
        )
        return Program(
            python.python,
            self._options.words,
            self._options.endpoint,
            environment.of_host(env),
            needs=spec.needs,
            bounds=spec.bounds,
        )

    async def start(self, pool: Pool, program: Program) -> Replica | None:
        """Start a replica; None when the machine has no room for it now.

        The first of a pool gets room for all but accelerators in any case: its attempts have begun, and what holds the
        room may wait for them.

        Raises:
            OSError: the machine cannot start the process.
        """
        replica_id = spawning.new_replica_id()
        standing = Standing(replica_id, pool.policy.key, program.needs)
        devices = await self._room.reserve(standing)
        if devices is None:
            if pool.replicas or program.needs.devices:
                return None
            devices = ()
            await self._room.keep(standing)
        try:
            return self._spawn(replica_id, pool, program, devices)
        except OSError:
            self._watch.leave(replica_id)
            await self._room.release(replica_id)
            raise

    def _spawn(
        self, replica_id: str, pool: Pool, program: Program, devices: tuple[str, ...]
    ) -> Replica:
        concurrency = pool.policy.concurrency
        cgroups = self._watch.admit(replica_id, program.bounds)
        shown = self._options.accelerators(devices)
        pid = spawning.spawn(
            self._home,
            replica_id,
            program,
            pool=pool.key,
            concurrency=concurrency,
            more_env={**shown, **self._shown_to_us(replica_id)},
        )
        _enter(pid, cgroups)
        record = ReplicaRecord(
            replica_id=replica_id,
            protocol=PROTOCOL,
            pid=pid,
            start_ticks=processes.start_ticks(pid),
            pool_key=pool.key,
            pool=pool.policy,
            needs=program.needs,
            bounds=program.bounds,
            devices=devices,
            cgroups=cgroups,
        )
        records.write(self._home, record)
        return self._known(record, concurrency, {**program.env, **shown})

    def _shown_to_us(self, replica_id: str) -> dict[str, str]:
        token = self._options.token
        return {} if token is None else {TOKEN: token(replica_id)}

    async def adopt(self, record: ReplicaRecord) -> Replica:
        """Take over what an earlier control plane started."""
        await self._room.keep(
            Standing(record.replica_id, record.pool.key, record.needs, record.devices)
        )
        return self._known(record, record.pool.concurrency, {})

    def _known(self, record: ReplicaRecord, concurrency: int, env: Mapping[str, str]) -> Replica:
        process = HostProcess(record.pid, record.start_ticks)
        self._watch.begin(
            Subject(
                record.replica_id,
                record.pid,
                bounds=record.bounds,
                cgroups=record.cgroups,
                directory=str(self._home / "work" / record.replica_id),
                devices=bool(record.devices),
            )
        )
        return Replica(
            record.replica_id,
            record.pool_key,
            process,
            concurrency=concurrency,
            env=env,
            clock=self._clock,
        )

    def clear(self, replica: Replica) -> None:
        """Remove what a replica leaves on disk, and its bounds."""
        records.discard(self._home, replica.replica_id)
        self._watch.leave(replica.replica_id)

    async def give_back(self, replica: Replica) -> None:
        """Its part of the machine is free again."""
        await self._room.release(replica.replica_id)


def _enter(pid: int, cgroups: tuple[str, ...]) -> None:
    """Put a process that was just started into its groups, before it has started any other."""
    for directory in cgroups:
        with suppress(ProcessLookupError):
            Path(directory, "cgroup.procs").write_text(str(pid), encoding="ascii")
