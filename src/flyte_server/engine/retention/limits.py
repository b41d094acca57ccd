"""How long and how much is kept, and whether the clock can be believed."""

import logging
from dataclasses import dataclass

from flyte_server.clock import Clock
from flyte_server.store import retention
from flyte_server.store.database import Database

DAY_US = 24 * 3600 * 1_000_000
GIGABYTE = 1_000_000_000

_MOST_BYTES = 50 * GIGABYTE
_JUST_ENDED_US = 3600 * 1_000_000
"""However full it is: whoever started a run can read its results for an hour."""

_SEEN = "clock_seen"
_PAUSED = "ages_paused_until"
_NOTED_EVERY_US = 600 * 1_000_000
_JUMP_US = 14 * DAY_US
_PAUSE_US = 3 * DAY_US

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the person who runs the control plane has chosen.

    Args:
        days: an ended run goes so long after its end; 0: age is no reason.
        bytes: what control plane and runs may occupy; 0: any amount; None: half of the disk, at most 50 GB.
    """

    days: float = 30.0
    bytes: int | None = None

    def most_bytes(self, disk_bytes: int) -> int:
        """The limit on a disk of that size; 0: none."""
        return min(_MOST_BYTES, disk_bytes // 2) if self.bytes is None else self.bytes

    def too_old(self, now_us: int) -> int | None:
        """Runs that ended by this moment are too old; None: none is."""
        return int(now_us - self.days * DAY_US) if self.days else None

    @staticmethod
    def may_go(now_us: int) -> int:
        """Runs that ended by this moment may go to make room."""
        return now_us - _JUST_ENDED_US


class Calendar:
    """The time by which ages are told; for some days after a leap of the clock it tells none.

    A clock that is wrong by years would make everything too old at once, and so does a machine that was off for long.
    Either way its owner gets some days to look.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._last: tuple[int, float] | None = None
        self._noted_at = 0
        self.paused_until: int | None = None
        """Until when nothing goes because of its age."""

    async def look(self) -> None:
        """Compare the clock with what it said last, be it before a restart."""
        now, running = self._clock.now_us(), self._clock.monotonic()
        if self._last is None:
            seen = await self._database.read(retention.mark, _SEEN)
            self.paused_until = await self._database.read(retention.mark, _PAUSED)
            before, elapsed_us = seen or now, 0
        else:
            before, elapsed_us = self._last[0], int((running - self._last[1]) * 1_000_000)
        self._last = (now, running)
        if now - before - elapsed_us > _JUMP_US:
            await self._pause(before, now)
        if now - self._noted_at >= _NOTED_EVERY_US or now < self._noted_at:
            await self._database.write(retention.set_mark, _SEEN, now)
            self._noted_at = now
        if self.paused_until is not None and not now <= self.paused_until <= now + _PAUSE_US:
            self.paused_until = None

    async def _pause(self, before: int, now: int) -> None:
        self.paused_until = now + _PAUSE_US
        await self._database.write(retention.set_mark, _PAUSED, self.paused_until)
        _logger.warning(
            "the clock went ahead by %.0f days since it was looked at last: nothing is removed because of its age for"
            " %d days; if the clock is wrong, correct it before then",
            (now - before) / DAY_US,
            _PAUSE_US // DAY_US,
        )
