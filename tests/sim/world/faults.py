"""What goes wrong in a seed, how often, and until when."""

import random
from dataclasses import dataclass, field

from flyte_server.domain.capacity import Capacity

LOCKED = "database is locked"
BROKEN = "disk I/O error"
FULL = "database or disk is full"


@dataclass(frozen=True, slots=True)
class Trouble:
    """How likely what is, each time that it could happen; 0 for most things in most seeds."""

    planes: int = 1
    capacity: Capacity = field(default_factory=lambda: Capacity(4))
    store_delay: float = 0.0
    """The longest wait for the store."""
    store_error: float = 0.0
    crash_before: float = 0.0
    crash_during: float = 0.0
    crash_after: float = 0.0
    crash_in_recovery: float = 0.0
    """Within the first looks at the store of a control plane that was started again."""
    lost_request: float = 0.0
    lost_answer: float = 0.0
    doubled: float = 0.0
    latency: float = 0.01
    broken_stream: float = 0.0
    lost_report: float = 0.0
    doubled_report: float = 0.0
    refused_launch: float = 0.0
    deaf: float = 0.0
    """A process that does not die when it is killed."""
    refused_tick: float = 0.0
    """What the run of a tick needs is gone."""
    shuffled: bool = False
    events: tuple[tuple[float, str], ...] = ()
    """When something happens to the world; the words are those of `weather.py`."""
    until: float = 60.0
    """When all this ends."""


_EVENTS = (
    "kill plane", "kill plane", "stop plane", "close plane", "kill host", "kill host", "freeze host",
    "clock ahead", "clock back", "disk full", "disk broken", "store locked", "power cut", "kill task", "poison",
)  # fmt: skip


def make(seed: int) -> Trouble:
    """The trouble of a seed: some kinds of it, each often enough to matter."""
    dice = random.Random(f"trouble {seed}")

    def sometimes(share: float, most: float) -> float:
        return round(dice.uniform(most / 10, most), 4) if dice.random() < share else 0.0

    until = round(dice.uniform(15, 60), 1)
    kinds = dice.sample(_EVENTS, dice.choice([1, 2, 3, 5]))
    events = [
        (round(dice.uniform(0.2, until), 3), dice.choice(kinds))
        for _ in range(dice.choice([1, 2, 4, 8]))
    ]
    return Trouble(
        planes=dice.choice([1, 1, 1, 2, 2, 3]),
        capacity=Capacity(
            dice.choice([2, 4, 8]), cpu_milli=dice.choice([1000, 2000, 4000]), memory=4
        ),
        store_delay=sometimes(0.7, 0.05),
        store_error=sometimes(0.4, 0.1),
        crash_before=sometimes(0.3, 0.01),
        crash_during=sometimes(0.3, 0.02),
        crash_after=sometimes(0.3, 0.02),
        crash_in_recovery=sometimes(0.3, 0.5),
        lost_request=sometimes(0.4, 0.2),
        lost_answer=sometimes(0.5, 0.2),
        doubled=sometimes(0.3, 0.2),
        latency=dice.choice([0.0, 0.005, 0.02, 0.3]),
        broken_stream=sometimes(0.3, 0.05),
        lost_report=sometimes(0.3, 0.1),
        doubled_report=sometimes(0.3, 0.2),
        refused_launch=sometimes(0.2, 0.15),
        deaf=sometimes(0.4, 0.6),
        refused_tick=sometimes(0.3, 0.3),
        shuffled=dice.random() < 0.3,
        events=tuple(sorted(events)),
        until=until,
    )
