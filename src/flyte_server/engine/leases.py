"""Says who is alive here, and learns who is silent elsewhere.

A lease is a row whose `beats` grow as long as its worker is alive.  Each control plane renews its own and those of its
hosts, outside of everything that tasks do; and it measures in its own waking time how long those of others have not
grown (`domain.silence`).  No two clocks are compared, and a jump of the wall clock changes nothing.
"""

import logging
from collections.abc import Collection

from flyte_server.clock import Clock
from flyte_server.domain.records import Lease
from flyte_server.domain.silence import Silence
from flyte_server.engine.ports import Executor
from flyte_server.store import leases
from flyte_server.store.database import Database

_SHARE_OF_LEASE = 0.2
"""One tick: whoever wakes up together with the observer has time to renew before two ticks have counted double."""
_AFTER_TROUBLE_SECONDS = 0.5
_logger = logging.getLogger(__name__)


class Leases:
    """The leases of one control plane and its hosts, and its view of all others.

    A store that fails lets nothing expire: a tick counts only when it could be written, and where this control plane
    cannot renew, the others cannot either.

    Args:
        database: where the rows are.
        plane: id of this control plane (`Engine.plane`).
        executor: whose hosts beat.
        clock: the time.
        seconds: a worker that is silent for longer is dead.
        alone: whether no other control plane can work on this store (its directory is locked).  Then leases that others
            left behind mean nothing, and are taken away at once.

    Example:
        leases = Leases(database, engine.plane, executor=executor, clock=clock)
        await leases.renew()  # before anything is claimed
        task = asyncio.create_task(leases.run())
    """

    def __init__(
        self,
        database: Database,
        plane: str,
        *,
        executor: Executor,
        clock: Clock,
        seconds: float = 10.0,
        alone: bool = False,
    ) -> None:
        self._database = database
        self._plane = plane
        self._executor = executor
        self._clock = clock
        self._seconds = seconds
        self._alone = alone
        self._tick_seconds = _SHARE_OF_LEASE * seconds
        self._silence = Silence[str](self._tick_seconds)
        self._known: dict[str, Lease] = {}
        self._doubted: frozenset[str] = frozenset()
        self.hold = False
        """Whether the last renewal was written.  Without that nothing may be claimed: a host that this control plane
        has adopted would still count as silent, and what it starts as lost."""

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            pause = self._tick_seconds
            await self._clock.sleep(pause if self.hold else min(pause, _AFTER_TROUBLE_SECONDS))
            await self.renew()

    async def renew(self) -> None:
        """Renew once, and look at the others; a store that fails is asked again soon."""
        try:
            workers = {self._plane, *await self._executor.beating()}
            found = await self._database.write(
                leases.renew,
                workers,
                plane=self._plane,
                seconds=self._seconds,
                now_us=self._clock.now_us(),
            )
            self._silence.tick(self._clock.monotonic())
            self._note(found)
            self.hold = True
            await self._tidy(found, workers)
        except Exception:
            self.hold = False
            _logger.exception("the leases could not be renewed; trying again")

    def is_foreign(self, worker: str) -> bool:
        """Whether another control plane speaks for a worker, so that only its lease tells how it
        is."""
        if self._alone or worker == self._plane:
            return False
        lease = self._known.get(worker)
        return lease is None or lease.plane != self._plane

    async def doubt(self, workers: Collection[str]) -> None:
        """Watch these workers from now on, even if they have no lease; only these are doubted.

        Looks at their leases once more: one may have come back since the last tick.
        """
        self._doubted = frozenset(workers)
        for worker in self._doubted:
            self._silence.watch(worker)
        if self._doubted:
            self._note(await self._database.read(leases.load_all))

    def silence_of(self, worker: str) -> float | None:
        """For how many waking seconds a doubted worker has given no sign of life; None while its
        lease holds."""
        lease = self._known.get(worker)
        silent = self._silence.of(worker)
        return silent if silent > (lease.seconds if lease else self._seconds) else None

    def _note(self, found: Collection[Lease]) -> None:
        before, self._known = self._known, {lease.worker: lease for lease in found}
        for lease in found:
            known = before.get(lease.worker)
            if known is None or (known.beats, known.plane) != (lease.beats, lease.plane):
                self._silence.heard(lease.worker)
        self._silence.keep(self._known.keys() | self._doubted)

    async def _tidy(self, found: Collection[Lease], renewed: Collection[str]) -> None:
        """Take away the leases of those that are gone."""
        over = [lease for lease in found if lease.worker not in renewed and self._is_over(lease)]
        if over:
            await self._database.write(leases.drop, over)

    def _is_over(self, lease: Lease) -> bool:
        ours = self._alone or lease.plane == self._plane
        return ours or self._silence.of(lease.worker) > lease.seconds


async def leave(database: Database, plane: str) -> None:
    """Take away the leases of a control plane that has ended and of its hosts.

    Those of hosts that hold attempts stay, for the next control plane.  A store that fails keeps
    them all; they expire.
    """
    try:
        await database.write(leases.leave, plane)
    except Exception:
        _logger.exception("the leases of control plane %s could not be taken away", plane)
