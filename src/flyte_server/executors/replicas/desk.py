"""Where replicas call: they register, hear their orders, and report."""

import asyncio
from collections.abc import Sequence

from flyte_server.domain import errors
from flyte_server.domain.events import Started
from flyte_server.engine.ports import Happened, Newcomer, Order, Welcome
from flyte_server.executors.replicas.holdings import Holdings
from flyte_server.executors.replicas.options import PROTOCOL
from flyte_server.executors.replicas.pools import Pools
from flyte_server.executors.replicas.replica import Held, Replica


class Desk:
    """Implements `engine.ports.Workers`.  Every call is a sign of life.

    Args:
        pools: who may call.
        holdings: the attempts that are spoken of.
    """

    def __init__(self, pools: Pools, holdings: Holdings) -> None:
        self._pools = pools
        self._holdings = holdings
        self._resting = False

    async def register(self, newcomer: Newcomer) -> Welcome:
        """Take a replica in, or in again."""
        replica = self._pools.replicas.get(newcomer.worker)
        if replica is None or replica.condemned:
            raise errors.Conflict(
                f"This control plane wants nothing of replica {newcomer.worker}; it should end."
            )
        if newcomer.protocol != PROTOCOL:
            reason = f"speaks version {newcomer.protocol} of the worker protocol, not {PROTOCOL}"
            replica.condemn(reason)
            raise errors.Conflict(f"Replica {newcomer.worker} {reason}; it is ended.")
        self._pools.heard(replica)
        if replica in self._pools.unheard:
            self._adopt(replica, newcomer)
        pool = self._pools.by_key(replica.pool_key)
        pool.failed_starts, pool.given_up = 0, False
        for held in replica.greet(newcomer.held):
            pool.freed(replica)
            self._holdings.lose(held, f"replica {replica.replica_id} does not hold it any more")
        pool.fill()
        forget = [key for key in newcomer.held if key not in replica.held]
        return Welcome(replica.session, self._pools.beat_seconds, forget)

    def _adopt(self, replica: Replica, newcomer: Newcomer) -> None:
        """What an earlier control plane gave to it is its own; but not what was lost since."""
        self._pools.unheard.discard(replica)
        for key in newcomer.held:
            if key not in self._holdings.by_key:
                held = self._holdings.by_key[key] = Held(key)
                replica.hold(held)

    async def lease(
        self, worker: str, session: str, *, after: int, wait_seconds: float
    ) -> Sequence[Order]:
        """Orders with numbers above `after`, as soon as there is one."""
        orders = self._replica(worker, session).orders
        if self._resting:
            raise errors.Unavailable("The control plane is stopping; ask again in a moment.")
        return await orders.after(after, min(wait_seconds, self._pools.beat_seconds))

    async def report(self, worker: str, session: str, happened: Happened) -> None:
        """Note what happened; returns when it is committed.

        Places are free before that, so that the next attempts need not wait for the store.
        """
        replica = self._replica(worker, session)
        pool = self._pools.by_key(replica.pool_key)
        for event in happened.ended:
            held = replica.held.get(event.attempt)
            if held is not None and not held.over:
                held.over, held.end = True, event
                pool.freed(replica)
        pool.fill()
        over = {event.attempt for event in happened.ended}
        await asyncio.gather(
            *(
                self._holdings.note(Started(key, worker, replica.process.pid, at))
                for key, at in happened.started
                if key not in over
            ),
            *(self._holdings.note_end(replica, event) for event in happened.ended),
        )

    def rest(self) -> None:
        """Answer every pending `lease` now."""
        self._resting = True
        for replica in self._pools.replicas.values():
            replica.orders.release()

    def _replica(self, worker: str, session: str) -> Replica:
        replica = self._pools.replicas.get(worker)
        if replica is None or not session or replica.session != session:
            raise errors.NotFound(f"Replica {worker} has no session {session!r}; register again.")
        self._pools.heard(replica)
        return replica
