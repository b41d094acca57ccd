"""The rows of the control plane as frozen values.  All times are microseconds since the epoch,
UTC."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import NamedTuple

from flyte_server.domain.needs import Bounds, Needs, Pool, Usage
from flyte_server.domain.phases import Blame, CacheStatus, Kind, Phase


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an action or attempt ended badly."""

    code: str
    """Class name of the user's exception, or one of our own: `Aborted`, `WorkerLost`, …"""
    message: str
    blame: Blame = Blame.USER
    recoverable: bool = True
    place: str = ""
    """Where the user's code was at the end, like `train.py:12 in fit`; only in reports, not kept."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a task on which the server decides; read from its spec once."""

    retries: int = 0
    """User-caused failures that are forgiven; attempts = retries + 1."""
    system_retries: int = 3
    backoff_base_seconds: float = 0.0
    backoff_factor: float = 1.0
    backoff_cap_seconds: float = 0.0
    """0: no upper bound."""
    max_runtime_seconds: float = 0.0
    """Per attempt while it runs; 0: no limit."""
    max_queued_seconds: float = 0.0
    """Per attempt until it is claimed, a retry's backoff not counted; 0: no limit."""
    deadline_seconds: float = 0.0
    """From creation over all attempts; 0: no limit."""
    cache_max_age_seconds: float = 0.0
    """How old a cached result may be; 0: any age."""
    cache_serialize: bool = False
    """Of equal actions at the same time one executes, the others wait for its result."""
    cache_everywhere: bool = False
    """Results of other projects and domains count too."""
    output_count: int | None = None
    """How many outputs a result has; None: not known."""
    needs: Needs = field(default_factory=Needs)
    """What is reserved for an attempt."""
    bounds: Bounds = field(default_factory=Bounds)
    """What an attempt may use."""
    pool: Pool | None = None
    """The processes that execute it; None: each attempt has a process of its own."""
    answer_type: str = ""
    """Of a condition: what it is answered with, `bool`, `int`, `float` or `str`; empty: it is no condition."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a condition was answered with, by whom, how and when."""

    value: bool | int | float | str
    by: str
    """The subject of whoever answered (`Caller.subject`)."""
    by_name: str
    """The same for people to read."""
    channel: str
    """`cli`, `api` or `link`."""
    at: int


@dataclass(frozen=True, slots=True)
class StartedBy:
    """The trigger that has started a run; it is in the run's project and domain."""

    task: str
    name: str
    revision: int
    kind: int = 0
    """TriggerAutomationSpecType of the wire."""
    tick: int | None = None
    """The tick; None: somebody asked for the run."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a run takes over from an earlier one."""

    run_id: int
    """The earlier run."""
    forced: tuple[str, ...] = ()
    """Names of actions that are executed although the earlier run has their outputs."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A sign of life of a control plane or a host.

    It is live while `beats` grows: whoever doubts it watches the number for `seconds` of its own waking time.
    """

    worker: str
    """Id of the host or control plane; attempts name it."""
    plane: str
    """Id of the control plane that renews it."""
    beats: int
    seconds: float
    renewed_at: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what is common to its actions."""

    id: int
    project: str
    domain: str
    name: str
    spec: bytes
    """The RunSpec message as it came."""
    labels: dict[str, str]
    source: int
    created_at: int
    seq: int
    """Counter of changes to any action of the run; a watcher's cursor."""
    max_concurrency: int = 0
    """How many of its actions may be alive at once; 0: no limit of its own."""
    recovery: Recovery | None = None
    """Of a run that recovers an earlier one."""
    bytes: int | None = None
    """What its data occupy on the disk, measured after its end; None: not measured yet."""
    log_bytes: int | None = None
    """What its logs occupy."""
    created_by: str = ""
    """Subject of who created it, such as `key:nightly`; empty: of an earlier release."""
    trigger: StartedBy | None = None
    """Of a run that a trigger has started."""


class ActionKey(NamedTuple):
    """Which action.  A tuple: it is made, compared and hashed a hundred times per action."""

    run_id: int
    name: str


@dataclass(frozen=True)
class Action:
    """One action: a row that only `engine.changes` changes.

    Without slots, so that `but` copies it ten times faster than `dataclasses.replace` would.
    """

    run_id: int
    name: str
    parent: str | None
    """None for the root action `a0`."""
    kind: Kind
    phase: Phase
    task_name: str
    """`environment.function`; the function's name for a trace."""
    created_at: int
    policy: Policy = field(default_factory=Policy)
    task_version: str = ""
    short_name: str = ""
    environment: str = ""
    group: str = ""
    spec_digest: str | None = None
    """Key of the stored TaskSpec (tasks) or TraceSpec (traces)."""
    input_uri: str = ""
    """Full path of inputs.pb."""
    output_base: str = ""
    """`run_output_base`: the parent of every action's directory in the run."""
    output_uri: str = ""
    """Tasks: directory of the current attempt.  Traces: full path of outputs.pb."""
    cache_key: str | None = None
    cache_status: CacheStatus = CacheStatus.DISABLED
    cache_source: str | None = None
    """`run/action/attempt` whose outputs were found, `project/domain/` before it if those are others.  Of a hit: where
    its outputs are from.  Else: an entry that was too old, or whose outputs are gone."""
    attempt: int = 0
    """Number of the current attempt, from 1; 0 before the first."""
    token: str = ""
    """Fencing token of the current attempt; a report with another one is ignored."""
    user_failures: int = 0
    system_failures: int = 0
    due_at: int = 0
    """Not claimed before this moment (retry backoff)."""
    queued_at: int = 0
    started_at: int | None = None
    """First moment of RUNNING of the first attempt."""
    attempt_started_at: int | None = None
    """First moment of RUNNING of the current attempt; None while it is not running."""
    limit_at: int | None = None
    """When the next time limit of the policy is hit; None without one, and at the end."""
    ended_at: int | None = None
    aborting: str | None = None
    """Reason of a requested abort; set while processes may still be alive."""
    stopping: Failure | None = None
    """The time limit for which the live attempt is killed; its end, whatever it reports."""
    failure: Failure | None = None
    """Why the action ended badly; None before (earlier failures stand in the attempts)."""
    version: int = 0
    """Grows by one with every save; a save of an older version fails."""
    seq: int = 0
    """The run's counter at the last save."""
    serial_key: str | None = None
    """Of the actions that have the same, one executes and the others wait; None: it waits for nobody."""
    queue: str = ""
    """Where it waits; empty: the queue of everybody."""
    recovered_from: str | None = None
    """Of a recovered action: `run/action` whose outputs it has, `project/domain/` before it if those are others."""
    lane: str = ""
    """Which limits hold for it besides the number of slots, and what it needs of the machine (`admission.lanes`);
    empty: nothing of both."""
    slept_us: int = 0
    """How long the machine slept while it was queued, or while its attempt ran: its limits do not count it."""
    ending_since: int | None = None
    """When its end was asked for (`aborting`, `stopping`); None at all other times."""
    answer: Answer | None = None
    """Of a condition that was answered."""

    @cached_property
    def key(self) -> ActionKey:
        """Which action it is."""
        return ActionKey(self.run_id, self.name)

    def but(self, **changes: object) -> "Action":
        """The same action (run and name stay) with other values of some fields.

        Example:
            >>> action.but(phase=Phase.QUEUED, due_at=now)
        """
        assert changes.keys() <= _CHANGEABLE, f"an action has no such fields: {changes.keys()}"
        made = object.__new__(Action)
        made.__dict__.update(self.__dict__)
        made.__dict__.update(changes)
        return made

    @property
    def waits_for_turn(self) -> bool:
        """Whether it waits for the result of an equal action; it holds no slot then."""
        is_waiting = self.phase is Phase.WAITING_FOR_RESOURCES and self.attempt == 0
        return is_waiting and self.serial_key is not None


_CHANGEABLE = frozenset(each.name for each in fields(Action)) - {"run_id", "name"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of an action."""

    run_id: int
    action: str
    number: int
    token: str
    phase: Phase
    worker: str = ""
    """Id of the host that holds the process; how the executor finds it again."""
    pid: int | None = None
    queued_at: int = 0
    claimed_at: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    failure: Failure | None = None
    output_uri: str = ""
    devices: tuple[str, ...] = ()
    """Ids of the accelerators that are its own while it is alive."""
    usage: Usage | None = None
    """What it has used; None: not known (yet)."""

    @property
    def ended(self) -> bool:
        """Whether it is over; one that was parked is, although its phase may be left."""
        return self.phase.terminal or self.ended_at is not None


class AttemptKey(NamedTuple):
    """Which attempt, fenced: everything an executor is told and reports carries it."""

    run_id: int
    action: str
    number: int
    token: str


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Outputs that may be taken instead of executing a task again."""

    key: str
    """Opaque; made by whoever called.  Unique in a project and domain."""
    run_id: int
    action: str
    attempt: int
    output_uri: str
    created_at: int
    task_name: str = ""
    replaces: bool = False
    """Replace an entry that exists; else the first one stays."""


@dataclass(frozen=True, slots=True)
class TaskVersion:
    """A deployed task."""

    project: str
    domain: str
    name: str
    version: str
    spec_digest: str
    short_name: str
    environment: str
    deployed_at: int
    deployed_by: str = ""
    """Subject of whoever deployed it; empty: the machine's user."""
    is_entrypoint: bool = False
    """Whether people start it."""
    description: str = ""
    """One sentence for people."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project and its state (0 active, 1 archived, as on the wire)."""

    id: str
    name: str
    description: str = ""
    state: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    created_at: int = 0
    """0: before this was recorded."""

    @property
    def is_archived(self) -> bool:
        """Whether it takes nothing new in."""
        return self.state in (1, 3)
