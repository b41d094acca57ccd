"""Moments and spans as text that comes back exactly: naive stays naive, and an offset or a named zone is kept.

ISO 8601; a named zone follows in brackets as RFC 9557 has it: `2026-03-29T03:30:00+02:00[Europe/Berlin]`.  Of a time
that comes twice, when clocks go back, `[fold=1]` says that the second one is meant.
"""

import datetime
import re
import zoneinfo

_MARKED = re.compile(r"(?P<time>[^\[]+)(?:\[(?P<zone>[^\]=]+)\])?(?P<fold>\[fold=1\])?")
_SPAN = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<days>-?\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6}))?S)?)?"
)


def text(value: datetime.datetime | datetime.date | datetime.time) -> str:
    """A moment, day or time of day as text."""
    zone = getattr(value, "tzinfo", None)
    key = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else None
    fold = "[fold=1]" if getattr(value, "fold", 0) else ""
    return f"{value.isoformat()}[{key}]{fold}" if key else value.isoformat() + fold


def datetime_of(text: str) -> datetime.datetime:
    """The moment that a text means; raises ValueError."""
    if not text.endswith("]"):
        return datetime.datetime.fromisoformat(text)
    time, zone, fold = _marks(text)
    value = datetime.datetime.fromisoformat(time)
    if zone is None:
        return value.replace(fold=fold)
    early = value.replace(tzinfo=zone)
    # Where the clock goes back an hour happens twice: without the mark the offset says which one is meant.
    if fold or early.utcoffset() != value.utcoffset():
        return early.replace(fold=1)
    return early


def time_of(text: str) -> datetime.time:
    """The time of day that a text means; raises ValueError."""
    if not text.endswith("]"):
        return datetime.time.fromisoformat(text)
    time, zone, fold = _marks(text)
    value = datetime.time.fromisoformat(time).replace(fold=fold)
    return value if zone is None else value.replace(tzinfo=zone)


def _marks(text: str) -> tuple[str, zoneinfo.ZoneInfo | None, int]:
    """The time, zone and fold that a text with marks in brackets names."""
    parts = _MARKED.fullmatch(text)
    if parts is None:
        raise ValueError(
            f"{text!r} is no time with a zone such as 2026-01-01T00:00:00+01:00[Europe/Berlin]"
        )
    zone = _zone(parts["zone"]) if parts["zone"] else None
    return parts["time"], zone, 1 if parts["fold"] else 0


def _zone(key: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(key)
    except (KeyError, OSError) as error:  # no such zone, or a folder of zones
        raise ValueError(f"the time zone {key!r} is not known here; install tzdata") from error


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
