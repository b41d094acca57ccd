"""Which tick gets a run now, when one or more of them are due."""

from dataclasses import dataclass
from typing import Protocol

from flyte_server.domain.schedules.records import CatchUp

GRACE_US = 60_000_000
"""A tick that is later than this was missed, for those that do not want missed ones."""
MOST_MISSED = 100
"""How many missed ticks are made up for at most: the newest."""


class Times(Protocol):
    """The ticks of one schedule."""

    def after(self, moment: int) -> int | None:
        """The first tick after a moment; None: there is none any more."""
        ...

    def latest(self, moment: int) -> int | None:
        """The last tick at a moment or before it."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with ticks that are due."""

    moment: int | None
    """The tick that gets a run; None: none does."""
    following: int | None
    """The next tick to wait for; it may be due already."""


def step(times: Times, due: int, now: int, policy: CatchUp, *, failed: bool) -> Step:
    """What to do now.

    Args:
        times: the schedule.
        due: the earliest tick that got no run yet; not after `now`.
        now: the time.
        policy: what becomes of missed ticks.
        failed: whether a run for `due` was tried in time, and could not be started.
    """
    if policy is CatchUp.ALL:
        moment = _oldest_to_run(times, due, now)
        return Step(moment, times.after(moment))
    moment = max(due, times.latest(now) or due)
    tried = failed and moment == due
    if policy is CatchUp.NONE and now - moment > GRACE_US and not tried:
        return Step(None, times.after(now))
    return Step(moment, times.after(moment))


def _oldest_to_run(times: Times, due: int, now: int) -> int:
    """`due`, unless more ticks than are made up for have come since."""
    if not _are_too_many(times, due, now):
        return due
    oldest = times.latest(now)
    for _ in range(MOST_MISSED - 1):
        before = None if oldest is None else times.latest(oldest - 1)
        if before is None:
            break
        oldest = before
    return max(due, oldest or due)


def _are_too_many(times: Times, due: int, now: int) -> bool:
    moment: int | None = due
    for _ in range(MOST_MISSED):
        moment = times.after(moment)
        if moment is None or moment > now:
            return False
    return True
