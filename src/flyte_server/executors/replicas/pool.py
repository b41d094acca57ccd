"""One pool: the attempts that wait for a place, and the replicas that have them."""

from collections import deque
from collections.abc import Callable

from flyte_server.clock import Clock
from flyte_server.domain import needs
from flyte_server.executors.replicas import scaling
from flyte_server.executors.replicas.replica import Held, Replica
from flyte_server.executors.replicas.scaling import Seat
from flyte_server.executors.replicas.spawning import Program


class Pool:
    """Gives attempts to replicas and says how many of these there should be.

    Args:
        key: its name.
        policy: its numbers.
        start: has one replica of a pool started; `begun` or `not_begun` follows.
        clock: the time.
    """

    def __init__(
        self,
        key: str,
        policy: needs.Pool,
        *,
        start: Callable[["Pool", Program], None],
        clock: Clock,
    ) -> None:
        self.key = key
        self.policy = policy
        self.program: Program | None = None
        """How its replicas are started; None: not known yet, an earlier control plane started them."""
        self.waiting: deque[Held] = deque()
        self.replicas: list[Replica] = []
        self.starting = 0
        """Replicas that are about to have a process."""
        self.failed_starts = 0
        """In succession."""
        self.given_up = False
        """No more starts are tried, until the next attempt comes."""
        self._start = start
        self._clock = clock
        self._active_at = clock.monotonic()

    @property
    def busy(self) -> bool:
        """Whether anything is executed or waited for."""
        return bool(self.waiting) or any(replica.busy for replica in self.replicas)

    @property
    def unused(self) -> bool:
        """Whether nothing is left of it."""
        return not (self.replicas or self.starting or self.busy)

    @property
    def idle_seconds(self) -> float:
        """How long nothing was; 0 while something is."""
        return 0.0 if self.busy else self._clock.monotonic() - self._active_at

    def add(self, held: Held) -> None:
        """Give an attempt to a replica, now or when there is a place."""
        self._active_at = self._clock.monotonic()
        if self.given_up:
            self.given_up, self.failed_starts = False, 0
        self.waiting.append(held)
        self.fill()

    def fill(self) -> None:
        """Use the free places; start replicas if there are too few."""
        while self.waiting:
            roomiest = max(self.replicas, key=_room, default=None)
            if roomiest is None or _room(roomiest) <= 0:
                break
            roomiest.take(self.waiting.popleft())
        if self.waiting:
            self.grow()

    def freed(self, replica: Replica) -> None:
        """An attempt of a replica has ended."""
        replica.freed()
        self._active_at = self._clock.monotonic()

    def grow(self) -> None:
        """Start the replicas that are lacking."""
        if self.program is None or self.given_up:
            return
        count = scaling.lacking(
            self.policy,
            waiting=len(self.waiting),
            free=self._coming,
            replicas=len(self.replicas) + self.starting,
        )
        self.starting += count
        for _ in range(count):
            self._start(self, self.program)

    @property
    def _coming(self) -> int:
        """Places in replicas that start."""
        begun = sum(replica.free for replica in self.replicas if not replica.registered)
        return begun + self.starting * self.policy.concurrency

    def begun(self, replica: Replica) -> None:
        """A replica has a process; it takes attempts when it has registered."""
        self.starting -= 1
        self.replicas.append(replica)

    def not_begun(self) -> None:
        """There was no room for a replica, or its process could not be started."""
        self.starting -= 1

    def keep_least(self) -> None:
        """Have the least number of replicas, as long as the pool is in use; let go who is superfluous."""
        now = self._clock.monotonic()
        seats = [
            Seat(each.replica_id, each.free, 0.0 if each.busy else now - each.idle_since)
            for each in self.replicas
            if each.open
        ]
        leaving = scaling.superfluous(self.policy, seats, self.idle_seconds)
        for replica in self.replicas:
            if replica.replica_id in leaving:
                replica.drain()
        if not self.failed_starts and self.idle_seconds < self.policy.idle_seconds:
            self.grow()


def _room(replica: Replica) -> int:
    """Places that can be taken at once."""
    return replica.free if replica.registered else 0
