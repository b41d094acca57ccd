"""Policies of a task: retries, time limits, and whether its process is kept warm."""

import math
import warnings
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from flyte import errors

Duration = int | timedelta
"""Seconds, or a `timedelta`."""
_SHORTEST_TTL = timedelta(seconds=30)


def duration(field: str, value: Any) -> timedelta:
    """A positive length of time as a `timedelta`.

    Args:
        field: what it is for, as the message should name it.
        value: seconds or a `timedelta`.

    Raises:
        DefinitionError: when it is something else, or not positive.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = timedelta(seconds=value)
    if not isinstance(value, timedelta):
        raise errors.DefinitionError(
            f"{field} must be whole seconds or a timedelta, got {type(value).__name__}: {value!r}"
        )
    if value <= timedelta(0):
        raise errors.DefinitionError(f"{field} must be positive, got {value}")
    return value


def _ttl(field: str, value: Any) -> timedelta:
    length = duration(field, value)
    if length < _SHORTEST_TTL:
        raise errors.DefinitionError(
            f"{field} must be at least {_SHORTEST_TTL.seconds} seconds, got {length}; processes that go sooner "
            "are started again more often than they are worth"
        )
    return length


def _count(field: str, value: Any, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise errors.DefinitionError(
            f"{field} must be a whole number, got {type(value).__name__}: {value!r}"
        )
    if value < least:
        raise errors.DefinitionError(f"{field} must be at least {least}, got {value}")
    return value


@dataclass(frozen=True, slots=True)
class Backoff:
    """An exponential pause between attempts.

    Args:
        base: pause before the first retry (seconds are taken too).
        factor: by what the pause grows with each further retry; 1.0 keeps it constant.
        cap: the longest pause; None lets it grow.

    Example:
        >>> Backoff(timedelta(seconds=2), factor=3, cap=timedelta(seconds=10)).compute_delay(2)
        datetime.timedelta(seconds=10)
    """

    base: timedelta
    factor: float = 1.0
    cap: timedelta | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", duration("Backoff: base", self.base))
        if self.cap is not None:
            object.__setattr__(self, "cap", duration("Backoff: cap", self.cap))
        if isinstance(self.factor, bool) or not isinstance(self.factor, int | float):
            raise errors.DefinitionError(f"Backoff: factor must be a number, got {self.factor!r}")
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise errors.DefinitionError(
                f"Backoff: factor must be at least 1 (the pause may not shrink), got {self.factor}"
            )

    def compute_delay(self, n: int) -> timedelta:
        """The pause before retry `n`, where the first retry is 0."""
        try:
            delay = self.base * float(self.factor) ** n
        except OverflowError:
            delay = timedelta.max
        return delay if self.cap is None else min(delay, self.cap)


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """How often a failed task is tried again, and after which pause.

    Only failures of user code count; those of the platform have a budget of their own.

    Example:
        >>> @env.task(retries=flyte.RetryStrategy(3, flyte.Backoff(timedelta(seconds=1), factor=2)))
        ... async def fetch(url: str) -> bytes: ...
    """

    count: int
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        _count("retries", self.count, least=0)
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise errors.DefinitionError(
                f"RetryStrategy: backoff must be a Backoff, got {type(self.backoff).__name__}: "
                f"{self.backoff!r}"
            )


def retry_strategy(value: int | RetryStrategy) -> RetryStrategy:
    """The strategy that a task's `retries` asks for."""
    return value if isinstance(value, RetryStrategy) else RetryStrategy(value)


@dataclass(frozen=True, slots=True)
class Timeout:
    """Limits on a task's time, each in seconds or as a `timedelta`; None is no limit.

    Args:
        max_runtime: how long one attempt may run.
        max_queued_time: how long an attempt may wait before it starts.
        deadline: how long everything together may take, from the first time in the queue, all
            attempts included.
    """

    max_runtime: Duration | None = None
    max_queued_time: Duration | None = None
    deadline: Duration | None = None

    def __post_init__(self) -> None:
        for field in ("max_runtime", "max_queued_time", "deadline"):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, duration(f"Timeout: {field}", value))


TimeoutType = Timeout | int | timedelta
"""What `timeout` takes: seconds or a `timedelta` for one attempt, or a `Timeout`."""


def timeout(value: TimeoutType | None) -> Timeout | None:
    """The limits that a task's `timeout` asks for; None and 0 mean none."""
    if value is None or isinstance(value, Timeout):
        return value
    if value == 0 and not isinstance(value, bool):
        return None
    return Timeout(max_runtime=duration("timeout", value))


@dataclass(frozen=True, slots=True)
class ReusePolicy:
    """Keep processes of an environment warm and give them many tasks, in turn or at once.

    What tasks of one process share: its imported modules and their globals, `os.environ`, the working directory, and
    its fate: one that crashes the process interrupts the others, which are tried again as after a lost machine.  What
    they do not share: context variables, outputs, and logs as far as Python writes them.

    A task that waits for a child keeps its place.  So tasks that call tasks of their own environment need more places
    (`replicas` times `concurrency`) than there are levels of such calls.

    Args:
        replicas: how many processes: a number, or the least and the most.
        idle_ttl: after how long without work the whole environment goes away; at least 30 seconds.
        concurrency: how many tasks a process takes at once: async tasks on one event loop, which one that blocks
            keeps from all others; plain functions each on a thread of their own.
        scaledown_ttl: after how long without work one process goes away; at least 30 seconds.
        scope: `global` shares the processes between runs, `run` keeps them within one.

    Raises:
        DefinitionError: for a value that it cannot have.

    Warns:
        UserWarning: with one place in all, a task that calls another one of its environment can never go on.

    Example:
        >>> policy = flyte.ReusePolicy(replicas=(1, 4), concurrency=10)
        >>> env = flyte.TaskEnvironment("fast", reusable=policy)
    """

    replicas: int | tuple[int, int] = 2
    idle_ttl: Duration = 30
    concurrency: int = 1
    scaledown_ttl: Duration = 30
    scope: Literal["global", "run"] = "global"

    def __post_init__(self) -> None:
        replicas: Any = self.replicas
        pair = (replicas, replicas) if not isinstance(replicas, tuple) else replicas
        if len(pair) != 2:
            raise errors.DefinitionError(
                f"ReusePolicy: replicas must be a number or a pair (least, most), got {replicas!r}"
            )
        least = _count("ReusePolicy: least replicas", pair[0], least=0)
        most = _count("ReusePolicy: most replicas", pair[1], least=1)
        if least > most:
            raise errors.DefinitionError(
                f"ReusePolicy: replicas must be (least, most), got {least} > {most}"
            )
        _count("ReusePolicy: concurrency", self.concurrency, least=1)
        if self.scope not in ("global", "run"):
            raise errors.DefinitionError(
                f"ReusePolicy: scope must be 'global' or 'run', got {self.scope!r}"
            )
        object.__setattr__(self, "replicas", pair)
        for field in ("idle_ttl", "scaledown_ttl"):
            object.__setattr__(self, field, _ttl(f"ReusePolicy: {field}", getattr(self, field)))
        if most * self.concurrency == 1:
            warnings.warn(
                "ReusePolicy: one replica that takes one task at a time leaves no place for a child: a task that "
                "calls another task of this environment fails; set replicas or concurrency to 2 or more",
                stacklevel=3,
            )

    @property
    def min_replicas(self) -> int:
        """How many processes are always kept."""
        return self.replicas if isinstance(self.replicas, int) else self.replicas[0]

    @property
    def max_replicas(self) -> int:
        """How many processes there may be."""
        return self.replicas if isinstance(self.replicas, int) else self.replicas[1]

    def get_scaledown_ttl(self) -> timedelta | None:
        """After how long without work one process goes away."""
        return duration("ReusePolicy: scaledown_ttl", self.scaledown_ttl)
