"""Microseconds and seconds to protobuf's timestamps and durations."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_MICROS = 1_000_000


def timestamp(micros: int) -> Timestamp:
    """Microseconds since the epoch as a message."""
    seconds, rest = divmod(micros, _MICROS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def optional_timestamp(micros: int | None) -> Timestamp | None:
    """Like `timestamp`; None stays None, which leaves a field unset."""
    return None if micros is None else timestamp(micros)


def micros(message: Timestamp) -> int:
    """A timestamp as microseconds since the epoch."""
    return message.seconds * _MICROS + message.nanos // 1000


def seconds(message: Duration) -> float:
    """A duration in seconds; 0.0 if it is not set."""
    return message.seconds + message.nanos / 1e9


def rfc3339(moment: int) -> str:
    """Microseconds since the epoch as `2026-01-02T03:04:05.000006Z`."""
    return timestamp(moment).ToJsonString()
