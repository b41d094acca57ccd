"""When a schedule ticks.

Cron expressions are those of Debian's cron, which `cronsim` knows: five fields, names of months and days, steps, `L`
and `#`.  Where a clock is set ahead, a tick at a fixed time within the gap comes right after it; where it is set back,
a tick at a fixed time comes once, the first time.  Expressions with a star for minutes or hours follow the time that
passes: `*/5 * * * *` ticks every five minutes, also in those nights.
"""

import zoneinfo
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from cronsim import CronSim, CronSimError

from flyte_server.domain.errors import Invalid
from flyte_server.domain.schedules.catching_up import Times
from flyte_server.domain.schedules.records import Cron, FixedRate, Schedule

_MICROS = 1_000_000
_FIELDS = 5
_LONGEST_EXPRESSION = 255
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EXAMPLE = "write minute, hour, day, month and weekday, like '30 6 * * MON-FRI' for half past six on workdays"


def of(schedule: Schedule) -> Times:
    """The ticks of a schedule.

    Raises:
        Invalid: for an expression or a time zone that does not exist.
    """
    if isinstance(schedule, FixedRate):
        return _RateTimes(schedule)
    return _CronTimes(schedule)


def first(schedule: Schedule | None, now: int) -> int | None:
    """The first tick from now on; None without a schedule, or when it never ticks.

    Raises:
        Invalid: for an expression or a time zone that does not exist.
    """
    return None if schedule is None else of(schedule).after(now)


def check(schedule: Schedule, now: int) -> None:
    """Make sure that a schedule can be understood, and ever ticks.

    Raises:
        Invalid: it cannot, with what to write.
    """
    if of(schedule).after(now) is None and isinstance(schedule, Cron):
        raise Invalid(f"The cron expression {schedule.expression!r} never comes true; {_EXAMPLE}.")


class _RateTimes:
    """Ticks at equal distances."""

    def __init__(self, rate: FixedRate) -> None:
        self._interval = rate.interval_us
        self._anchor = rate.anchor_us

    def after(self, moment: int) -> int | None:
        steps = max(0, (moment - self._anchor) // self._interval + 1)
        return self._anchor + steps * self._interval

    def latest(self, moment: int) -> int | None:
        steps = (moment - self._anchor) // self._interval
        return self._anchor + steps * self._interval if steps >= 0 else None


class _CronTimes:
    """Ticks of an expression on the clock of a time zone."""

    def __init__(self, cron: Cron) -> None:
        self._zone = _zone(cron.timezone)
        self._expression = _NICKNAMES.get(cron.expression.strip().lower(), cron.expression)
        _check_expression(self._expression)

    def after(self, moment: int) -> int | None:
        try:
            # What it begins with may lie before the moment where the clock was set back.
            return next(tick for tick in map(_micros, self._from(moment)) if tick > moment)
        except (StopIteration, OverflowError):
            return None

    def latest(self, moment: int) -> int | None:
        # Backwards it is less exact at a change of the clock, so that only says from where to go ahead.
        backwards = self._from(moment, reverse=True)
        try:
            earlier = [_micros(next(backwards)) for _ in range(2)][-1]
        except (StopIteration, OverflowError):
            return None
        found = None
        tick: int | None = self.after(earlier - 1)
        while tick is not None and tick <= moment:
            found, tick = tick, self.after(tick)
        return found

    def _from(self, moment: int, *, reverse: bool = False) -> CronSim:
        at = datetime.fromtimestamp(moment / _MICROS, UTC).astimezone(self._zone)
        return CronSim(self._expression, at, reverse=reverse)


def _micros(moment: datetime) -> int:
    return round(moment.timestamp()) * _MICROS


def _check_expression(expression: str) -> None:
    if len(expression) > _LONGEST_EXPRESSION:
        raise Invalid(
            f"The cron expression has {len(expression)} characters; {_LONGEST_EXPRESSION} are allowed."
        )
    if len(expression.split()) != _FIELDS:
        raise Invalid(
            f"The cron expression {expression!r} has {len(expression.split())} fields, not {_FIELDS}; {_EXAMPLE}."
        )
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise Invalid(
            f"The cron expression {expression!r} cannot be understood ({str(error).lower()}); {_EXAMPLE}."
        ) from error


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC  # without a detour: nothing is set ahead or back
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(
            f"There is no time zone {name!r}; write one like 'Europe/Berlin' or 'America/New_York', or 'UTC'."
        ) from error
