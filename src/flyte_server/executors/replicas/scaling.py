"""How many replicas a pool should have: the rules, without processes."""

from collections.abc import Iterable
from dataclasses import dataclass

from flyte_server.domain.needs import Pool


@dataclass(frozen=True, slots=True)
class Seat:
    """One replica that takes attempts, as far as the rules look at it."""

    name: str
    free: int
    """Places that are left; of one that still starts: all."""
    idle_seconds: float
    """0 for one that executes something."""


def lacking(policy: Pool, *, waiting: int, free: int, replicas: int) -> int:
    """How many more replicas to start, now that there is work.

    Args:
        policy: the pool's numbers.
        waiting: attempts without a place.
        free: places in replicas that start.
        replicas: processes that are there, those that are about to end too.
    """
    missing = max(0, waiting - free)
    wanted = -(-missing // policy.concurrency)
    return max(0, min(max(wanted, policy.min_replicas - replicas), policy.max_replicas - replicas))


def superfluous(policy: Pool, seats: Iterable[Seat], idle_seconds: float) -> list[str]:
    """Which replicas to let go: all when the whole pool was idle for long, else the one that has been idle
    longest, as long as more than the least number are there.

    Args:
        policy: the pool's numbers.
        seats: the replicas that take attempts.
        idle_seconds: how long nothing at all was executed or waited for; 0: something is.
    """
    all_seats = list(seats)
    if idle_seconds > 0 and idle_seconds >= policy.idle_seconds:
        return [seat.name for seat in all_seats]
    spare = len(all_seats) - policy.min_replicas
    tired = [seat for seat in all_seats if 0 < seat.idle_seconds >= policy.scaledown_seconds]
    if spare <= 0 or not tired:
        return []
    return [max(tired, key=lambda seat: seat.idle_seconds).name]
