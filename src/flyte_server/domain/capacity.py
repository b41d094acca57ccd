"""How many attempts may be alive at once.

An attempt counts while it is alive, unless its action waits for children: a parent that waits gives
its slot back, otherwise nested runs would wait for each other forever.  Counted from rows, never
kept in a counter.
"""

from dataclasses import dataclass

ROOT_PATIENCE_US = 2_000_000
"""A queued root lets children pass that were queued up to this much later: what has begun is
finished first, and yet no root waits forever behind a long fan-out."""

_LEAST_SLOTS = 4


@dataclass(frozen=True, slots=True)
class Capacity:
    """The number of slots of a control plane."""

    slots: int

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(
                f"capacity of {self.slots} slots would never start anything; give at least 1"
            )

    @classmethod
    def for_cpus(cls, cpus: int) -> "Capacity":
        """Two attempts per CPU, so that one computes while another reads and writes; at least 4."""
        return cls(max(_LEAST_SLOTS, 2 * cpus))

    def free(self, busy: int) -> int:
        """Slots that are left; 0 also when parents that woke up have gone above the capacity."""
        return max(0, self.slots - busy)
