"""Moments and spans as text that comes back exactly: naive stays naive, and an offset or a named zone is kept.

ISO 8601; a named zone follows in brackets as RFC 9557 has it: `2026-03-29T03:30:00+02:00[Europe/Berlin]`.
"""

import datetime
import re
import zoneinfo

_ZONED = re.compile(r"(?P<time>[^\[]+)\[(?P<zone>[^\]]+)\]")
_SPAN = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<days>-?\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6}))?S)?)?"
)


def text(value: datetime.datetime | datetime.date | datetime.time) -> str:
    """A moment, day or time of day as text."""
    zone = getattr(value, "tzinfo", None)
    key = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else None
    return f"{value.isoformat()}[{key}]" if key else value.isoformat()


def datetime_of(text: str) -> datetime.datetime:
    """The moment that a text means; raises ValueError."""
    zoned = _ZONED.fullmatch(text)
    if zoned is None:
        return datetime.datetime.fromisoformat(text)
    value = datetime.datetime.fromisoformat(zoned["time"])
    early = value.replace(tzinfo=zoneinfo.ZoneInfo(zoned["zone"]))
    # Where the clock goes back an hour happens twice: the offset says which one is meant.
    return early if early.utcoffset() == value.utcoffset() else early.replace(fold=1)


def time_of(text: str) -> datetime.time:
    """The time of day that a text means; raises ValueError."""
    zoned = _ZONED.fullmatch(text)
    if zoned is None:
        return datetime.time.fromisoformat(text)
    return datetime.time.fromisoformat(zoned["time"]).replace(
        tzinfo=zoneinfo.ZoneInfo(zoned["zone"])
    )


def span_text(value: datetime.timedelta) -> str:
    """A span as ISO 8601, exact to the microsecond.

    Like a timedelta itself it may have negative days and positive seconds (ISO 8601-2 allows it): `P-1DT3600.000000S`
    is minus 23 hours.
    """
    return f"P{value.days}DT{value.seconds}.{value.microseconds:06d}S"


def span_of(text: str) -> datetime.timedelta:
    """The span that a text means; raises ValueError."""
    parts = _SPAN.fullmatch(text)
    if parts is None or len(text) < 3:
        raise ValueError(f"{text!r} is no ISO 8601 duration such as P1DT2H30M or PT0.5S")
    span = datetime.timedelta(
        days=int(parts["days"] or 0),
        hours=int(parts["hours"] or 0),
        minutes=int(parts["minutes"] or 0),
        seconds=int(parts["seconds"] or 0),
        microseconds=int((parts["fraction"] or "").ljust(6, "0")),
    )
    return -span if parts["sign"] == "-" else span
