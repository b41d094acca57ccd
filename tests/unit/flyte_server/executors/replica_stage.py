"""A replica executor whose processes only wait, and players that say over the port what replicas would say."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from tests.support import eventually

from flyte_server.clock import RealClock
from flyte_server.domain import errors
from flyte_server.domain.capacity import Standing
from flyte_server.domain.events import Event, Failed, Lost, Succeeded
from flyte_server.domain.needs import Pool
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import Assign, Cancel, Drain, Happened, LaunchSpec, Newcomer
from flyte_server.executors.common.kin import TOKEN_VARIABLE
from flyte_server.executors.common.limits.watch import WatchOptions
from flyte_server.executors.replicas import records
from flyte_server.executors.replicas.executor import ReplicaExecutor
from flyte_server.executors.replicas.options import PROTOCOL, Options
from flyte_server.executors.replicas.records import ReplicaRecord

WAITS = ("-c", "import signal; signal.pause()")
"""A process that is there, and does nothing."""
NOW_US = 1_750_000_000_000_000

POOL = Pool(
    "pool",
    "env",
    min_replicas=0,
    max_replicas=2,
    concurrency=2,
    idle_seconds=600,
    scaledown_seconds=600,
)


@dataclass(slots=True)
class Player:
    """Says what a replica would say; its process is another one."""

    executor: ReplicaExecutor
    record: ReplicaRecord
    session: str = ""
    after: int = 0
    attempts: dict[str, Assign] = field(default_factory=dict[str, Assign])
    """By the names of their actions."""
    cancelled: list[str] = field(default_factory=list[str])
    drained: bool = False
    obeys: bool = True
    """Whether it ends what it is told to."""
    work: asyncio.Task[None] | None = None

    async def register(self, held: Sequence[AttemptKey] = (), *, protocol: int = PROTOCOL) -> None:
        name, pool = self.record.replica_id, self.record.pool_key
        welcome = await self.executor.desk.register(Newcomer(name, pool, protocol, held))
        self.session, self.after = welcome.session, 0
        for key in welcome.forget:
            self.attempts.pop(key.action, None)

    async def hear(self, wait_seconds: float = 0.05) -> None:
        """One lease: note what it is told."""
        orders = await self.executor.desk.lease(
            self.record.replica_id, self.session, after=self.after, wait_seconds=wait_seconds
        )
        for order in orders:
            if order.number <= self.after:
                continue
            self.after = order.number
            match order.work:
                case Assign() as work:
                    key = work.spec.attempt
                    self.attempts[key.action] = work
                    await self.report(Happened(started=[(key, NOW_US)]))
                case Cancel() as work:
                    self.cancelled.append(work.attempt.action)
                    if self.obeys and work.attempt.action in self.attempts:
                        await self.end(work.attempt.action, Failure("Interrupted", "cancelled"))
                case Drain():
                    self.drained = True

    async def report(self, happened: Happened) -> None:
        await self.executor.desk.report(self.record.replica_id, self.session, happened)

    async def end(self, name: str, failure: Failure | None = None) -> None:
        """Report the end of an attempt."""
        key = self.attempts[name].spec.attempt
        ended = Failed(key, failure, NOW_US) if failure else Succeeded(key, NOW_US)
        await self.report(Happened(ended=[ended]))
        del self.attempts[name]

    async def live(self) -> None:
        """Register and obey until the executor or the process is gone."""
        held = [work.spec.attempt for work in self.attempts.values()]
        with suppress(errors.Conflict, errors.NotFound, errors.Unavailable):
            await self.register(held)
            while not (self.drained and not self.attempts):
                await self.hear(1.0)
            psutil.Process(self.record.pid).kill()


@dataclass(slots=True)
class FakeRoom:
    """Implements `engine.ports.Room`."""

    most: int = 100
    """So many have room."""
    asked: int = 0
    standing: dict[str, Standing] = field(default_factory=dict[str, Standing])

    async def reserve(self, process: Standing) -> tuple[str, ...] | None:
        self.asked += 1
        if len(self.standing) >= self.most:
            return None
        devices = tuple(f"GPU-{index}" for index in range(process.needs.devices))
        await self.keep(replace(process, devices=devices))
        return devices

    async def keep(self, process: Standing) -> None:
        self.standing[process.name] = process

    async def release(self, name: str) -> None:
        self.standing.pop(name, None)


@dataclass(slots=True)
class ReplicaStage:
    """What a test of the executor stands on."""

    home: Path
    events: list[Event] = field(default_factory=list[Event])
    executors: list[ReplicaExecutor] = field(default_factory=list[ReplicaExecutor])
    players: dict[str, Player] = field(default_factory=dict[str, Player])
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    pool: Pool = POOL
    room: FakeRoom = field(default_factory=FakeRoom)
    refusal: Exception | None = None
    """With what reports are refused."""
    casting: asyncio.Task[None] | None = None

    def executor(self, **options: object) -> ReplicaExecutor:
        """A new one on the same home, as after a restart of the control plane; start it yourself."""
        chosen = {
            "words": WAITS,
            "watch": WatchOptions("off"),
            "watch_seconds": 0.02,
            "answer_seconds": 0.2,
            **options,
        }
        executor = ReplicaExecutor(
            self.home,
            self.report,
            RealClock(),
            base_env=os.environ,
            options=Options("http://127.0.0.1:1", **chosen),  # pyright: ignore[reportArgumentType]
            room=self.room,
        )
        self.executors.append(executor)
        return executor

    async def started(self, **options: object) -> ReplicaExecutor:
        executor = self.executor(**options)
        await executor.start()
        return executor

    async def report(self, event: Event) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.events.append(event)

    def spec(self, name: str, **changes: object) -> LaunchSpec:
        made = LaunchSpec(
            attempt=AttemptKey(1, name, 1, f"{self.token}-{name}"),
            task_name="env.task",
            environment="env",
            run_name="r1",
            command=("a0",),
            args=("run", name),
            env={"ACTION_NAME": name, TOKEN_VARIABLE: f"{self.token}-{name}", "COMMON": "1"},
            output_prefix="prefix",
            log_path=str(self.home / "logs" / f"{name}.log"),
            host_key="bundle",
            pool=self.pool,
        )
        return replace(made, **changes)  # pyright: ignore[reportArgumentType]

    def records(self) -> list[ReplicaRecord]:
        return list(records.found(self.home))

    async def replicas(self, count: int) -> list[ReplicaRecord]:
        """Records, once there are so many."""
        return await eventually(lambda: len(self.records()) == count and self.records())

    async def player(self, index: int = 0) -> Player:
        """Who speaks for a replica, in the order of their coming; registered."""
        made = await self.unregistered(index)
        if not made.session:
            await made.register()
        return made

    async def unregistered(self, index: int = 0) -> Player:
        def there() -> Player | None:
            found = self._cast()
            return found[index] if len(found) > index else None

        return await eventually(there)

    def _cast(self) -> list[Player]:
        """A player for every process; after a restart another one that holds the same attempts."""
        for record in self.records():
            known = self.players.get(record.replica_id)
            if known is None or known.executor is not self.executors[-1]:
                attempts = known.attempts if known else {}
                made = Player(self.executors[-1], record, attempts=attempts)
                self.players[record.replica_id] = made
        return list(self.players.values())

    def play(self) -> None:
        """Let a player live for every process that is started from now on."""
        self.casting = self.casting or asyncio.create_task(self._keep_playing())

    async def _keep_playing(self) -> None:
        while True:
            for player in self._cast():
                if player.work is None:
                    player.work = asyncio.create_task(player.live())
            await RealClock().sleep(0.01)

    def of(self, spec: LaunchSpec) -> list[Event]:
        return [event for event in self.events if event.attempt == spec.attempt]

    async def end(self, spec: LaunchSpec) -> Event:
        ends = await eventually(
            lambda: [e for e in self.of(spec) if isinstance(e, Succeeded | Failed | Lost)]
        )
        assert len(ends) == 1, "an attempt ends once"
        return ends[0]

    async def strike(self) -> None:
        """End everything that a test started."""
        tasks = [player.work for player in self.players.values() if player.work]
        tasks += [self.casting] if self.casting else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pids = [record.pid for record in self.records()]
        for executor in self.executors:
            await executor.close()
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()


BAD = Failure("Boom", "it failed", Blame.USER)
