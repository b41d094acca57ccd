"""Ten thousand small dataclasses to their literal and back, in this process.

python -m benchmarks.conversion          # seconds for both directions
"""

import random
import sys
import time
from dataclasses import dataclass

from flyte._kit import stepping
from flyte.types import _engine


@dataclass
class Reading:
    """Five fields of five kinds, as users have them."""

    sensor: int
    place: str
    value: float
    history: list[int]
    comment: str | None = None


def readings(count: int) -> list[Reading]:
    """Values that are the same every time."""
    draw = random.Random(count)
    return [
        Reading(i, f"place {i % 97}", draw.random(), [i, i + 1, i + 2], "dry" if i % 3 else None)
        for i in range(count)
    ]


def seconds(count: int) -> float:
    """Time of one round trip, the bytes of the literal included."""
    values = readings(count)
    hint = list[Reading]
    started = time.perf_counter()
    literal = stepping.drive(_engine.to_literal(values, hint))
    data = literal.SerializeToString()
    again = stepping.drive(_engine.to_python(type(literal).FromString(data), hint))
    elapsed = time.perf_counter() - started
    assert again == values
    return elapsed


if __name__ == "__main__":
    print(seconds(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
