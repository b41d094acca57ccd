"""What the engine needs from the outside, as protocols; `app.py` plugs the real parts in."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flyte_server.domain.events import Event
from flyte_server.domain.needs import Bounds, Pool
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
    devices: tuple[str, ...] = ()
    """Ids of the accelerators that are its own."""
    pool: Pool | None = None
    """The processes that take it; None: it gets a process of its own."""
    hidden: Hidden = field(default_factory=Hidden)
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit code, or the signal that killed it."""

    code: int | None = None
    signal: int | None = None
    detail: str = ""


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


class Verdicts(Protocol):
    """Reads what a process left: None for success (exit 0, no error.pb), else the failure."""

    async def of(self, output_prefix: str, exit: Exit) -> Failure | None: ...  # noqa: A002


class Executor(Protocol):
    """Starts attempts and tells what became of them.  Implemented by `executors.process`."""

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
