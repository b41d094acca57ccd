"""What callers may ask the engine to take in, as frozen values.  All times are microseconds since
the epoch, UTC."""

from dataclasses import dataclass, field

from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Failure, Policy, Recovery, StartedBy


@dataclass(frozen=True, slots=True)
class NewAction:
    """A task to execute once, with retries: the root of a run, or a child of a running action."""

    name: str
    """`a0` for the root; else chosen by the caller, never changed by us."""
    parent: str | None
    """None for the root only."""
    task_name: str
    spec: bytes
    """The TaskSpec message as it came; stored once by digest."""
    input_uri: str
    """Full path of inputs.pb."""
    output_base: str
    """Parent of every action's directory in the run."""
    task_version: str = ""
    short_name: str = ""
    environment: str = ""
    group: str = ""
    queue: str = ""
    cache_key: str | None = None
    overwrite_cache: bool = False
    """Execute although the cache has an entry, and replace the entry."""
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class NewTrace:
    """A traced call that its caller already executed: recorded, never scheduled."""

    name: str
    parent: str
    function: str
    spec: bytes
    """The TraceSpec message as it came."""
    phase: Phase
    """SUCCEEDED or FAILED."""
    started_at: int
    ended_at: int
    group: str = ""
    input_uri: str = ""
    output_uri: str = ""
    """Full path of outputs.pb."""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """Whom to tell, once, that a condition waits for an answer."""

    url: str
    payload: str
    """JSON text; `{callback_uri}` in it becomes the link that answers."""


@dataclass(frozen=True, slots=True)
class NewCondition:
    """A question that a running action asks; it waits without a process until somebody answers."""

    name: str
    """Of the action; chosen by the caller, never changed by us."""
    parent: str
    condition: str
    """The name that the user gave it; unique within its parent."""
    spec: bytes
    """The ConditionAction message as it came."""
    answer_type: str
    """`bool`, `int`, `float` or `str`."""
    timeout_seconds: float = 0.0
    """0: it waits for ever."""
    group: str = ""
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class NewNotice:
    """Something to be told to one receiver when a run ends."""

    phases: tuple[Phase, ...]
    """The ends that are told."""
    delivery: bytes
    """The DeliveryConfigTemplate message."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run and its root action."""

    project: str
    domain: str
    spec: bytes
    """The RunSpec message as it came."""
    root: NewAction
    name: str | None = None
    """None: the engine makes one up, and puts it for `{run}` into the root's two paths."""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    source: int = 0
    """RunSource of the wire."""
    max_concurrency: int = 0
    """How many of its actions may be alive at once; 0: no limit of its own."""
    recovery: Recovery | None = None
    """Take over what an earlier run has done."""
    created_by: str = ""
    """Subject of who asks for it, such as `key:nightly`."""
    trigger: StartedBy | None = None
    """Of a run that a trigger starts."""
    notices: tuple[NewNotice, ...] = ()
    """What is told when it ends."""
