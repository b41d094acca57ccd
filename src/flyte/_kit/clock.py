"""The one place of the SDK that reads a clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment: aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one home of the wall clock


def monotonic() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()
