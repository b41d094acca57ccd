"""What an attempt needs of a machine, what it may use at most, and the pool of processes that it may share."""

from dataclasses import dataclass, replace

GLOBAL, RUN = "global", "run"


@dataclass(frozen=True, slots=True)
class Needs:
    """What is reserved for an attempt while it is alive."""

    cpu_milli: int = 0
    """Thousandths of a CPU; 0: nothing was asked for, it only holds a slot."""
    memory: int = 0
    """Bytes."""
    disk: int = 0
    """Bytes of scratch space."""
    devices: int = 0
    """How many accelerators."""
    device: str = ""
    """Their model as on the wire, such as `nvidia-tesla-t4`; empty: any."""
    device_class: str = ""
    """`NVIDIA_GPU`, `GOOGLE_TPU`, …; empty without accelerators."""
    partition: str = ""
    """MIG partition such as `1g.5gb`; empty: a whole device."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an attempt may use at most; 0: no bound."""

    cpu_milli: int = 0
    memory: int = 0
    disk: int = 0
    shm: int = 0
    """Bytes of /dev/shm; 0: what the machine has."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Processes that stay and take one attempt after the other (`ReusePolicy`)."""

    key: str
    """Attempts with the same one share the processes."""
    environment: str
    min_replicas: int
    max_replicas: int
    concurrency: int
    """Attempts of one process at the same time."""
    idle_seconds: float
    """After so long without work all processes go."""
    scaledown_seconds: float
    """After so long without work one process goes, as long as more than the least number are there."""
    scope: str = GLOBAL
    """`run`: each run has processes of its own."""

    def of(self, run_id: int) -> "Pool":
        """The pool of a run's actions: everybody's, or the run's own."""
        return replace(self, key=f"{self.key}-{run_id}") if self.scope == RUN else self

    @property
    def places(self) -> int:
        """How many attempts it may hold at once."""
        return self.max_replicas * self.concurrency


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt has used, as far as it was measured; 0: not measured."""

    peak_memory: int = 0
    """Bytes."""
    cpu_seconds: float = 0.0
    peak_gpu_memory: int = 0
    """Bytes over all its devices."""
