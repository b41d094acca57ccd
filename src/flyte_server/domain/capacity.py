"""How many attempts may be alive at once: on the machine, in a run, an environment, a queue.

An attempt counts while it is alive, unless its action waits for children: a parent that waits gives
its slots back, otherwise nested runs would wait for each other forever.  Counted from rows, never
kept in a counter: what is killed cannot leak a slot.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

ROOT_PATIENCE_US = 2_000_000
"""A queued root lets children pass that were queued up to this much later: what has begun is
finished first, and yet no root waits forever behind a long fan-out."""

RUN, ENVIRONMENT, QUEUE = "run", "environment", "queue"
LIMITABLE = (ENVIRONMENT, QUEUE)
"""Of what an operator may set limits; that of a run is said when it is started."""
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


class Gate(NamedTuple):
    """What a limit is about: `Gate("environment", "gpu")`; a run by its number."""

    kind: str
    name: str


Limits = Mapping[Gate, int]
"""How many may be alive at once, for every environment and queue that has a limit."""


def lane(
    run_id: int,
    max_concurrency: int,
    *,
    environment: str,
    queue: str,
    is_root: bool,
    limits: Limits,
) -> str:
    """The limits that hold for an action, as text: actions with the same ones wait in one line.

    The limit of a run does not hold for its root: when nothing else of the run is alive it is free, and a root whose
    children are alive counts for nothing.

    Example:
        >>> lane(7, 2, environment="gpu", queue="", is_root=False, limits={})
        '[["run", "7", 2]]'
    """
    held: list[tuple[str, str, int | None]] = []
    if max_concurrency and not is_root:
        held.append((RUN, str(run_id), max_concurrency))
    for kind, name in ((ENVIRONMENT, environment), (QUEUE, queue)):
        if Gate(kind, name) in limits:
            held.append((kind, name, None))
    return json.dumps(held) if held else ""


@lru_cache(maxsize=4096)
def gates(of_lane: str) -> tuple[tuple[Gate, int | None], ...]:
    """The limits of a lane; a run's with its number, the others' stand in the table of limits."""
    if not of_lane:
        return ()
    return tuple((Gate(kind, name), most) for kind, name, most in json.loads(of_lane))


class Places:
    """The free places under every limit, taken one after the other."""

    def __init__(self, capacity: Capacity, limits: Limits) -> None:
        self._capacity = capacity
        self._limits = limits
        self._busy: Counter[Gate] = Counter()
        self._all = 0

    def hold(self, held: Iterable[Gate], count: int = 1) -> None:
        """Count attempts that are alive, under what they are limited by."""
        self._all += count
        for gate in held:
            self._busy[gate] += count

    @property
    def all_busy(self) -> int:
        """How many slots of the machine are held."""
        return self._all

    @property
    def machine_is_full(self) -> bool:
        return self._capacity.free(self._all) == 0

    def busy(self, gate: Gate) -> int:
        """How many places of a limit are held."""
        return self._busy[gate]

    def free(self, of_lane: str) -> int:
        """How many more of a lane may start."""
        rooms = [room for _, _, room in self.rooms(of_lane)]
        return max(0, min([self._capacity.free(self._all), *rooms]))

    def rooms(self, of_lane: str) -> list[tuple[Gate, int, int]]:
        """Each limit of a lane, how many it lets in, and how many more may start under it (not above 0: none)."""
        found: list[tuple[Gate, int, int]] = []
        for gate, fixed in gates(of_lane):
            most = self._limits.get(gate) if fixed is None else fixed
            if most is not None:
                found.append((gate, most, most - self._busy[gate]))
        return found
