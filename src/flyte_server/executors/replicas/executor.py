"""The executor of reusable environments: attempts in, events out."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain.events import Failed
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import LaunchSpec, Overrun, Report, Room
from flyte_server.executors.common.interpreter import CannotRunError
from flyte_server.executors.common.jobs import Jobs
from flyte_server.executors.common.kin import Kin, Marks
from flyte_server.executors.common.limits.watch import Watch
from flyte_server.executors.replicas import records
from flyte_server.executors.replicas.bounds import beyond
from flyte_server.executors.replicas.desk import Desk
from flyte_server.executors.replicas.holdings import Holdings
from flyte_server.executors.replicas.options import Options
from flyte_server.executors.replicas.pool import Pool
from flyte_server.executors.replicas.pools import Pools
from flyte_server.executors.replicas.replica import Held, Replica
from flyte_server.executors.replicas.starting import Starter

_log = logging.getLogger(__name__)
_LOST_SECONDS = 10.0
"""How long attempts that are lost wait for what is left of their replica, before the next ones may start."""
_FAREWELL_SECONDS = 3.0


class ReplicaExecutor:
    """Implements `engine.ports.Executor` with replicas, which call at its `desk`.

    Attempts wait in their pool until a replica has a place.  What a replica reports is committed before it hears so;
    what a dead one held is lost when nothing of it is found alive any more.

    Args:
        home: FLYTE_HOME.
        report: the engine's `apply`.
        clock: for pauses, and for the times of events.
        base_env: our own variables; replicas inherit those that do not configure us.
        options: numbers and programs.
        room: gives parts of the machine to replicas.
    """

    def __init__(
        self,
        home: Path,
        report: Report,
        clock: Clock,
        *,
        base_env: Mapping[str, str],
        options: Options,
        room: Room,
    ) -> None:
        self._home = home.absolute()
        self._clock = clock
        self._options = options
        self._jobs = Jobs()
        self._watch = Watch(
            self._home, "replicas", clock, options=options.watch, overrun=self._overran
        )
        starter = Starter(
            self._home, clock, base_env=base_env, options=options, room=room, watch=self._watch
        )
        self._pools = Pools(
            self._home,
            clock,
            options=options,
            starter=starter,
            jobs=self._jobs,
            failed=self._start_failed,
        )
        self._kin = Kin(clock, self._pids)
        self._holdings = Holdings(report, clock, self._jobs)
        self.desk = Desk(self._pools, self._holdings)
        """Where replicas call."""
        self._burying: set[Replica] = set()

    # -- engine.ports.Executor

    async def start(self) -> None:
        """Find the replicas of an earlier control plane; each says what it holds when it registers."""
        self._watch.start()
        await self._pools.adopt()
        self._watch.sweep(self._pools.replicas.keys())
        self._jobs.start(self._watch.run())
        self._jobs.start(self._keep_watch())
        self._jobs.start(self._keep_house())

    async def takes(self, spec: LaunchSpec) -> bool:
        """Whether an attempt is for a replica, and there can be one."""
        return spec.pool is not None and await self._pools.can_serve(spec)

    def holds(self, attempt: AttemptKey) -> bool:
        """Whether it is executed or waits here, or its end is not committed yet."""
        return attempt in self._holdings.by_key

    async def launch(self, spec: LaunchSpec) -> None:
        """Take over an attempt; returns before a replica has it."""
        if spec.attempt in self._holdings.by_key:
            return
        held = self._holdings.by_key[spec.attempt] = Held(spec.attempt, spec)
        try:
            pool = self._pools.of(spec)
        except CannotRunError as error:
            failure = Failure("CannotRun", str(error), Blame.USER, recoverable=False)
            self._holdings.finish(held, Failed(held.key, failure, self._clock.now_us()))
            return
        pool.add(held)

    async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
        """Have an attempt stopped: by cancellation, then with its replica.  Returns before it has ended."""
        held = self._holdings.by_key.get(attempt)
        if held is None:
            held = self._holdings.by_key[attempt] = Held(attempt, doomed=True)
            self._jobs.start(self._lose_unknown(held))
        elif held.over or held.doomed:
            return
        elif held.replica is None:
            self._withdraw(held)
            self._holdings.lose(held, "it was ended before a replica had a place for it")
        else:
            held.replica.cancel(held, grace_seconds)
            self._jobs.start(self._insist(held, held.replica, grace_seconds))
        held.doomed = True

    async def alive(self) -> Collection[AttemptKey]:
        """Attempts that wait for a place, are executed, or whose ends are not committed yet."""
        return tuple(self._holdings.by_key)

    async def settled(self) -> bool:
        """Whether all replicas of an earlier control plane have said what they hold."""
        return not self._pools.unheard

    async def beating(self) -> Collection[str]:
        """Replicas that have called lately."""
        return self._pools.beating()

    async def close(self) -> None:
        """Let go.  Replicas with attempts go on, and register with the next control plane; the others end."""
        self.desk.rest()
        await self._jobs.close()
        await self._kin.close()
        await self._dismiss_idle()
        self._watch.close()

    async def _dismiss_idle(self) -> None:
        idle = [
            replica
            for replica in self._pools.replicas.values()
            if not (replica.held or replica in self._pools.unheard or replica in self._burying)
        ]
        for replica in idle:
            if replica.registered:
                replica.process.terminate()
            else:
                replica.process.kill()
        deadline = self._clock.monotonic() + _FAREWELL_SECONDS
        while any(replica.process.running() for replica in idle):
            if self._clock.monotonic() > deadline:
                break  # the next control plane finds it by its record
            await self._clock.sleep(self._options.watch_seconds / 2)
        for replica in idle:
            if not replica.process.running():
                self._pools.remove(replica)

    # -- killing and losing

    async def _insist(self, held: Held, replica: Replica, grace_seconds: float) -> None:
        """One that does not end in time is ended with its replica."""
        await self._clock.sleep(grace_seconds + self._options.answer_seconds)
        if held.replica is replica and not held.over:
            reason = (
                f"did not end attempt {held.key.number} of {held.key.action} when it was told to"
            )
            _log.warning("replica %s %s; it is ended", replica.replica_id, reason)
            replica.condemn(reason)

    async def _lose_unknown(self, held: Held) -> None:
        await self._kin.end(Marks(held.key.token), lambda _: False)
        self._holdings.lose(held, "no replica holds it, and nobody knows how it ended")

    def _withdraw(self, held: Held) -> None:
        assert held.spec is not None, "only what was launched here waits"
        self._pools.of(held.spec).waiting.remove(held)

    # -- replicas that end

    def _overran(self, replica_id: str, overrun: Overrun) -> None:
        replica = self._pools.replicas.get(replica_id)
        if replica is not None and overrun.ended:
            replica.condemn(beyond(overrun))

    async def _keep_watch(self) -> None:
        while True:
            await self._pools.anybody.wait()
            for replica in list(self._pools.replicas.values()):
                if replica not in self._burying and not replica.process.running():
                    self._burying.add(replica)
                    self._jobs.start(self._bury(replica))
            if not self._pools.replicas:
                self._pools.anybody.clear()
            await self._clock.sleep(self._options.watch_seconds)

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(self._pools.beat_seconds)
            try:
                self._pools.look()
            except Exception:  # noqa: BLE001 - the edge of a loop that must not end
                _log.exception("the replicas could not be looked at; trying again")

    async def _bury(self, replica: Replica) -> None:
        """A replica's process is gone: end what it had started, then its attempts are lost."""
        replica.gone = True
        self._watch.kill(replica.replica_id)
        measured = self._watch.measured(replica.replica_id, killed=True)
        if measured.overrun is not None:
            replica.condemned = replica.condemned or beyond(measured.overrun)
        sentence = self._pools.ending(replica)
        in_order = replica.draining and not replica.held
        if not in_order:
            _log.warning("%s", sentence)
        log_path = str(records.log_path(self._home, replica.replica_id))
        marks = Marks(replica.replica_id, replica.process.pid, log_path)
        await self._kin.end(marks, lambda waited: self._is_hopeless(replica, waited))
        await asyncio.gather(
            *(self._holdings.inherit(held, sentence) for held in replica.held.values())
        )
        pool = self._pools.by_key(replica.pool_key)
        adopted = replica in self._pools.unheard
        self._pools.remove(replica)
        self._burying.discard(replica)
        await self._pools.give_back(replica)
        if not replica.registered and not adopted and not replica.draining:
            self._start_failed(pool, sentence)
        else:
            pool.fill()

    def _is_hopeless(self, replica: Replica, waited: float) -> bool:
        """Whether to go on although something resists SIGKILL; never when somebody asked for the end."""
        doomed = any(held.doomed for held in replica.held.values())
        return not doomed and waited > _LOST_SECONDS

    def _start_failed(self, pool: Pool, sentence: str) -> None:
        """Try again; after some times in succession who waits is told instead, if nobody else can take it."""
        pool.failed_starts += 1
        if pool.failed_starts < self._options.failed_starts:
            pool.fill()
            return
        pool.given_up = True
        if any(replica.registered for replica in pool.replicas):
            _log.warning("pool %s stays as small as it is: %s", pool.key, sentence)
            return
        message = (
            f"The replicas of environment {pool.policy.environment!r} do not start, tried "
            f"{pool.failed_starts} times: {sentence}"
        )
        failure = Failure("ReplicaNotStarted", message, Blame.SYSTEM, recoverable=False)
        while pool.waiting:
            held = pool.waiting.popleft()
            self._holdings.finish(held, Failed(held.key, failure, self._clock.now_us()))

    def _pids(self) -> set[int]:
        return {
            each.process.pid for each in self._pools.replicas.values() if each not in self._burying
        }
