"""The one place of the SDK that reads a clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment: aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one home of the wall clock


def now_us() -> int:
    """The present moment in microseconds since the epoch, UTC: for records, where `now` would cost too much."""
    return time.time_ns() // 1000


def monotonic() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()
