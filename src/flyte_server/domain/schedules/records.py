"""Triggers and their schedules as frozen values.  All times are microseconds since the epoch, UTC."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class CatchUp(StrEnum):
    """What becomes of ticks that were missed, because no control plane was there or the trigger could not run."""

    LATEST = "latest"
    """The latest of them gets its run, late; the ones before it never do."""
    ALL = "all"
    """Each gets its run, the oldest first, and those of a time in which the trigger was inactive too."""
    NONE = "none"
    """None gets a run."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Whenever the clock of a time zone fits an expression of five fields."""

    expression: str
    timezone: str


@dataclass(frozen=True, slots=True)
class FixedRate:
    """At `anchor`, and then every `interval`: in time that passes, so no change of a clock moves it."""

    interval_us: int
    anchor_us: int


Schedule = Cron | FixedRate


class TriggerName(NamedTuple):
    """A trigger's full name; it belongs to all versions of its task."""

    project: str
    domain: str
    task: str
    name: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger as it is now: a row that a deployment writes, and each tick."""

    project: str
    domain: str
    task_name: str
    name: str
    revision: int
    """From 1, up with every change that somebody makes; ticks do not count."""
    task_version: str
    active: bool
    automation: bytes
    """The TriggerAutomationSpec message as it came."""
    spec: bytes
    """The TriggerSpec message as it came."""
    input_uri: str
    """Full path of inputs.pb."""
    schedule: Schedule | None
    """None: it runs only when somebody asks for it."""
    catch_up: CatchUp
    deployed_by: str
    """Who, as `services/access` writes it."""
    updated_by: str
    deployed_at: int
    updated_at: int
    deleted_at: int | None = None
    triggered_at: int | None = None
    """The last tick that got its run."""
    next_tick: int | None = None
    """The tick that is waited for; it stays while the trigger is inactive."""
    due_at: int | None = None
    """When to look at it next: its next tick, or a later try after a failure; None while it is inactive."""
    last_run: str = ""
    """Name of the run of the last tick."""
    error: str = ""
    """Why the run of `next_tick` could not be started; empty: nothing is wrong."""
    failures: int = 0
    """How often in a row."""

    @property
    def key(self) -> TriggerName:
        """Its full name."""
        return TriggerName(self.project, self.domain, self.task_name, self.name)


@dataclass(frozen=True, slots=True)
class Revision:
    """What somebody made of a trigger, once; never changed."""

    project: str
    domain: str
    task_name: str
    name: str
    revision: int
    action: int
    """TriggerRevisionAction of the wire."""
    task_version: str
    active: bool
    automation: bytes
    spec: bytes
    deployed_by: str
    updated_by: str
    deployed_at: int
    updated_at: int
    deleted_at: int | None


@dataclass(frozen=True, slots=True)
class Tick:
    """One step of a trigger: to `following`, past every tick before."""

    trigger: TriggerName
    revision: int
    expected: int
    """`next_tick` of the row that this was decided from: whoever comes second finds another one."""
    moment: int | None
    """The tick that gets a run; None: all up to now are skipped."""
    following: int | None
    run: str = ""
    """Name of the run."""
