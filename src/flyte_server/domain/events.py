"""What can happen to an action, as frozen values.  Whoever learns something builds one and calls
`engine.apply`."""

from dataclasses import dataclass

from flyte_server.domain.needs import Usage
from flyte_server.domain.records import ActionKey, Answer, AttemptKey, Failure


@dataclass(frozen=True, slots=True)
class Claimed:
    """The scheduler took a queued action for a new attempt."""

    key: ActionKey
    token: str
    worker: str = ""
    """The control plane that claims; a host takes over when the attempt starts."""
    devices: tuple[str, ...] = ()
    """Ids of the accelerators that become its own."""


@dataclass(frozen=True, slots=True)
class Started:
    """The attempt's process runs user code (or is about to)."""

    attempt: AttemptKey
    worker: str
    pid: int
    at: int


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt ended well; its outputs lie at the action's output_uri."""

    attempt: AttemptKey
    at: int
    started_at: int | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended badly: the user's error, or a process that died; see its blame."""

    attempt: AttemptKey
    failure: Failure
    at: int
    started_at: int | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody holds the attempt's process any more: host gone, machine restarted."""

    attempt: AttemptKey
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class AbortRequested:
    """Somebody wants the action stopped."""

    key: ActionKey
    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A time limit of the action was hit; the codes are those of `domain.limits`."""

    key: ActionKey
    attempt: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Slept:
    """The machine slept, or its clock was set, while the action was queued or its attempt ran."""

    key: ActionKey
    attempt: int
    by_us: int
    """By how much the wall clock went ahead of the time that passed; below 0: back."""


@dataclass(frozen=True, slots=True)
class TurnCame:
    """Nobody executes what a waiting action would: it is its turn."""

    key: ActionKey
    stale_source: str | None = None
    """Maker of a cache entry that was found and cannot be used; it is replaced."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A queued action can never run: the machine has become too small for it."""

    key: ActionKey
    failure: Failure


@dataclass(frozen=True, slots=True)
class FoundInCache:
    """The result that an action waited for is there."""

    key: ActionKey
    source: str
    output_uri: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Somebody has answered a condition."""

    key: ActionKey
    answer: Answer


@dataclass(frozen=True, slots=True)
class Parked:
    """An attempt waited for nothing but conditions, and has given its process back until one of them ends."""

    attempt: AttemptKey
    at: int
    awaits: tuple[str, ...]
    """Names of the conditions' actions."""
    goes_on: bool = False
    """One of them has ended meanwhile; set by the engine, in the transaction that decides."""
    started_at: int | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """A condition has ended for which a parked action waits."""

    key: ActionKey


Event = (
    Claimed
    | Started
    | Succeeded
    | Failed
    | Lost
    | AbortRequested
    | TimedOut
    | Slept
    | TurnCame
    | FoundInCache
    | Refused
    | Answered
    | Parked
    | Resumed
)
