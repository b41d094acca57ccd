"""What the engine needs from the outside, as protocols; `app.py` plugs the real parts in."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flyte_server.domain.capacity import Standing
from flyte_server.domain.events import Event, Failed, Succeeded
from flyte_server.domain.needs import Bounds, Needs, Pool, Usage
from flyte_server.domain.records import Action, AttemptKey, Failure

Report = Callable[[Event], Awaitable[object]]
"""How an executor says what happened (`Engine.apply`); returns when it is committed."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Secrets of an attempt: never in arguments, logs, records or messages for people."""

    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables of its process."""
    files: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Contents of files, by their paths."""


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """Everything an executor needs to start one attempt; made by `services.launch`."""

    attempt: AttemptKey
    task_name: str
    environment: str
    run_name: str
    command: tuple[str, ...]
    """Rendered, e.g. `("a0",)`."""
    args: tuple[str, ...]
    """Rendered: no `{{.placeholder}}` is left."""
    env: Mapping[str, str]
    """The task's own, the run's and the protocol's variables, in final form."""
    output_prefix: str
    """Directory of the attempt: outputs.pb or error.pb appear here."""
    log_path: str
    """File that gets the process's stdout and stderr."""
    host_key: str
    """Equal keys may share a host: same bundle, environment, variables and interpreter."""
    cpus: int = 1
    """Upper bound of CPUs the task asked for, at least 1."""
    image: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    """What it may use at most."""
    needs: Needs = field(default_factory=Needs)
    """What it asks for; in a pool a process of the pool reserves it."""
    devices: tuple[str, ...] = ()
    """Ids of the accelerators that are its own."""
    pool: Pool | None = None
    """The processes that take it; None: it gets a process of its own."""
    hidden: Hidden = field(default_factory=Hidden)
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


OUT_OF_MEMORY = "out_of_memory"
DISK_FULL = "disk_full"
TOO_MANY_PROCESSES = "too_many_processes"


@dataclass(frozen=True, slots=True)
class Overrun:
    """A bound that an attempt has hit."""

    cause: str
    """OUT_OF_MEMORY, DISK_FULL or TOO_MANY_PROCESSES."""
    peak: int
    """What it had reached when that was noticed: bytes, or processes and threads."""
    limit: int
    ended: bool = True
    """Whether it was killed for this; else only a process below it was, and it went on."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit code, or the signal that killed it."""

    code: int | None = None
    signal: int | None = None
    detail: str = ""
    overrun: Overrun | None = None
    """The bound that it has hit; None: it kept within all."""
    usage: Usage | None = None
    """What it has used; None: not measured."""
    scene: str = ""
    """What it wrote down in its last moment: stacks; empty if it had a moment of its own choice."""


class Outputs(Protocol):
    """Looks at what an earlier attempt has left, before it is used again."""

    def problem(self, output_uri: str, count: int | None) -> str | None:
        """Why the outputs in an attempt's directory cannot be used; None if they can.

        Called on the writer's thread, once per hit: it must be quick.

        Args:
            output_uri: the directory.
            count: how many outputs there must be; None: not known.
        """
        ...


class LaunchSpecs(Protocol):
    """Makes the launch specification of an action's current attempt (reads the stored spec)."""

    async def of(self, action: Action) -> LaunchSpec: ...


PARKED_EXIT = 75
"""Exit code of a process that waited for nothing but conditions, and says so in a file."""


class Verdicts(Protocol):
    """Reads what a process left: None for success (exit 0, no error.pb), else the failure."""

    async def of(self, output_prefix: str, exit: Exit) -> Failure | None: ...  # noqa: A002

    async def awaited(self, output_prefix: str) -> tuple[str, ...]:
        """Of a process that ended with `PARKED_EXIT`: the conditions that it waits for; none if it was not parked."""
        ...


class Executor(Protocol):
    """Starts attempts and tells what became of them.  Implemented by `executors.process` and `executors.replicas`."""

    async def start(self) -> None:
        """Connect to what survived an earlier control plane; report what ended meanwhile."""
        ...

    async def launch(self, spec: LaunchSpec) -> None:
        """Take over an attempt; idempotent.  Reports `Started`, then how it ended."""
        ...

    async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
        """End everything that belongs to the attempt: SIGTERM, then SIGKILL after the grace.  The end
        is reported as usual, once a look has found nothing of it alive.

        Of an attempt that this executor does not hold, what is left is ended; then it is reported
        `Lost`.
        """
        ...

    async def alive(self) -> Collection[AttemptKey]:
        """Attempts that this executor holds now, or whose end it has not reported yet."""
        ...

    async def settled(self) -> bool:
        """Whether every worker has said what it holds.

        Until then (one that imports a task's code answers nobody) what is not in `alive()` may be
        alive all the same.
        """
        ...

    async def beating(self) -> Collection[str]:
        """Ids of the workers (hosts) that are alive by all that is known now; attempts name them.

        One that is silent and has no excuse is left out before it is ended.
        """
        ...

    async def close(self) -> None:
        """Let go without ending anything: the next `start` finds again what runs."""
        ...


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What a worker says of itself when it registers."""

    worker: str
    pool: str
    protocol: int
    held: Collection[AttemptKey] = ()
    """What it executes, and what has ended without anybody having heard of it."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a worker that has registered is told."""

    session: str
    beat_seconds: float
    """How often it must give a sign of life at least."""
    forget: Collection[AttemptKey] = ()
    """What it holds and nobody wants any more."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Execute an attempt."""

    spec: LaunchSpec
    env: Mapping[str, str]
    """Variables of the attempt where they differ from the worker's own."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop an attempt."""

    attempt: AttemptKey
    grace_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Take nothing more, and end when nothing is held."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to do; `number` grows by one within a session."""

    number: int
    work: Assign | Cancel | Drain


@dataclass(frozen=True, slots=True)
class Happened:
    """What a worker reports of its attempts."""

    started: Sequence[tuple[AttemptKey, int]] = ()
    """With the moments, in microseconds since the epoch."""
    ended: Sequence[Succeeded | Failed] = ()


class Room(Protocol):
    """Gives parts of the machine to processes that stay.  Implemented by `engine.engine`."""

    async def reserve(self, process: Standing) -> tuple[str, ...] | None:
        """Ids of its accelerators; None when there is no room now."""
        ...

    async def keep(self, process: Standing) -> None:
        """Count one that stands already, whether there is room or not."""
        ...

    async def release(self, name: str) -> None:
        """It is gone."""
        ...


class Workers(Protocol):
    """Speaks with processes that stay and lease attempts.  Implemented by `executors.replicas`, for
    `services.workers`."""

    async def register(self, newcomer: Newcomer) -> Welcome:
        """Take a worker in, or in again.

        Raises:
            Conflict: it is not wanted (unknown, given up, another version): it should end.
        """
        ...

    async def lease(
        self, worker: str, session: str, *, after: int, wait_seconds: float
    ) -> Sequence[Order]:
        """Orders with numbers above `after`, as soon as there is one; none when the time is over.

        Raises:
            NotFound: no such session; the worker should register again.
        """
        ...

    async def report(self, worker: str, session: str, happened: Happened) -> None:
        """Note what happened; returns when it is committed.  Saying it twice changes nothing.

        Raises:
            NotFound: no such session; the worker should register again.
        """
        ...

    def rest(self) -> None:
        """Answer every pending `lease` now: the control plane is about to stop."""
        ...
