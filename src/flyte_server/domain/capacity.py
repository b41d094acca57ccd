"""What a machine has, what of it is reserved, and what fits into the rest.

An attempt holds a slot, its CPUs, its memory, its scratch disk and its accelerators while it is alive.  A parent that
waits for children gives its slot and its CPUs back, otherwise nested runs would wait for each other forever; its
memory, disk and devices stay its own.  When its children have ended it takes them again, also above the capacity: it
never waits.  Everything is counted from rows, never kept in a counter: what is killed cannot leak a place.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flyte_server.domain.admission import accelerators
from flyte_server.domain.admission.accelerators import Device
from flyte_server.domain.admission.lanes import POOL, Gate, Lane, Limits
from flyte_server.domain.needs import Needs

SLOTS, CPU, MEMORY, DISK, DEVICES = "slots", "cpu", "memory", "disk", "devices"
AMOUNTS = (CPU, MEMORY, DISK)
"""What is counted by an amount."""
KEPT = frozenset({MEMORY, DISK, DEVICES})
"""What a parent keeps while it waits for children."""
_LEAST_SLOTS = 4
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a control plane may give to attempts.

    Example:
        >>> Capacity(4, cpu_milli=2000).slots
        4
    """

    slots: int
    """How many attempts, whatever they ask for."""
    cpu_milli: int | None = None
    """Thousandths of a CPU; None: not counted."""
    memory: int | None = None
    """Bytes; None: not counted."""
    disk: int | None = None
    """Bytes of scratch space; None: not counted."""
    devices: tuple[Device, ...] = ()

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

    def amount(self, kind: str) -> int | None:
        """How much there is of `cpu`, `memory`, `disk` or `devices`; None: not counted."""
        there = {CPU: self.cpu_milli, MEMORY: self.memory, DISK: self.disk}
        return len(self.devices) if kind == DEVICES else there[kind]


@dataclass(frozen=True, slots=True)
class Standing:
    """A process that reserves a part of the machine for the attempts that it takes: a replica of a pool."""

    name: str
    """Its own, and shown to people."""
    pool: str
    """Key of its pool."""
    needs: Needs
    devices: tuple[str, ...] = ()


def amount(needs: Needs, kind: str) -> int:
    """How much is asked for of `cpu`, `memory`, `disk` or `devices`."""
    match kind:
        case "cpu":
            return needs.cpu_milli
        case "memory":
            return needs.memory
        case "disk":
            return needs.disk
        case _:
            return needs.devices


def said(kind: str, value: int) -> str:
    """An amount for people.

    Example:
        >>> said("cpu", 1500), said("memory", 3 << 30), said("disk", 1000)
        ('1.5 CPUs', '3 GiB of memory', '1000 B of disk')
    """
    if kind == CPU:
        return f"{value / 1000:g} CPU{'' if value == 1000 else 's'}"
    size, unit = float(value), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.4g} {_UNITS[unit]} of {kind}"


class Places:
    """What is free on the machine and under every limit, taken one after the other."""

    def __init__(self, capacity: Capacity, limits: Limits) -> None:
        self._capacity = capacity
        self._limits = limits
        self._busy: Counter[Gate] = Counter()
        self._taken: Counter[str] = Counter()
        self._computing: Counter[str] = Counter()
        self._given: set[str] = set()

    def hold(self, lane: Lane, gates: Iterable[Gate], count: int = 1) -> None:
        """Count attempts that are alive and compute, under all that they are limited by."""
        for gate in gates:
            self._busy[gate] += count
        if lane.pool is None:
            self._taken[SLOTS] += count
            self._taken[CPU] += count * lane.needs.cpu_milli
        else:
            self._computing[lane.pool] += count
        self.hold_waiting(lane, count)

    def hold_waiting(self, lane: Lane, count: int = 1) -> None:
        """Count parents that wait for children: they have given back what computes, and stay in their processes."""
        self._keep(lane.needs, count)
        if lane.pool is not None:
            self._busy[Gate(POOL, lane.pool)] += count

    def hold_standing(self, processes: Iterable[Standing]) -> None:
        """Count the processes of pools, after all attempts: they have CPUs as far as attempts in them compute."""
        seen: Counter[str] = Counter()
        for each in processes:
            self._keep(each.needs, 1)
            self._given.update(each.devices)
            seen[each.pool] += 1
            if seen[each.pool] <= self._computing[each.pool]:
                self._taken[CPU] += each.needs.cpu_milli

    def hold_devices(self, ids: Iterable[str]) -> None:
        """Devices that somebody has."""
        self._given.update(ids)

    def take_devices(self, needs: Needs) -> tuple[str, ...]:
        """Choose devices; there must be as many (`lacking` does not name them)."""
        found = tuple(device.id for device in self._free_devices(needs)[: needs.devices])
        self._given.update(found)
        return found

    def _keep(self, needs: Needs, count: int) -> None:
        self._taken[MEMORY] += count * needs.memory
        self._taken[DISK] += count * needs.disk

    @property
    def capacity(self) -> Capacity:
        return self._capacity

    @property
    def given_devices(self) -> frozenset[str]:
        """Ids of the devices that somebody has."""
        return frozenset(self._given)

    def taken(self, kind: str) -> int:
        """How much of `slots`, `cpu`, `memory` or `disk` is reserved."""
        return self._taken[kind]

    def busy(self, gate: Gate) -> int:
        """How many places of a limit are held."""
        return self._busy[gate]

    def rooms(self, lane: Lane) -> list[tuple[Gate, int, int]]:
        """Each limit of a lane, how many it lets in, and how many more may start under it (not above 0: none)."""
        found: list[tuple[Gate, int, int]] = []
        for gate, fixed in lane.gates:
            most = self._limits.get(gate) if fixed is None else fixed
            if most is not None:
                found.append((gate, most, most - self._busy[gate]))
        return found

    def is_closed(self, lane: Lane) -> bool:
        """Whether nobody of the lane may start whatever it needs: a limit is reached, or no slot is left."""
        if lane.pool is None and self._capacity.free(self._taken[SLOTS]) == 0:
            return True
        return any(room <= 0 for _, _, room in self.rooms(lane))

    def lacking(self, needs: Needs) -> tuple[str, ...]:
        """Of what there is too little for these needs now."""
        found = [kind for kind in AMOUNTS if self._is_short(kind, amount(needs, kind))]
        if needs.devices > len(self._free_devices(needs)):
            found.append(DEVICES)
        return tuple(found)

    def _is_short(self, kind: str, wanted: int) -> bool:
        there = self._capacity.amount(kind)
        return wanted > 0 and there is not None and self._taken[kind] + wanted > there

    def _free_devices(self, needs: Needs) -> Sequence[Device]:
        if not needs.devices:
            return ()
        matching = accelerators.answering(self._capacity.devices, needs)
        return [device for device in matching if device.id not in self._given]
