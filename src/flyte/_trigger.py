"""Trigger: what starts a deployed task by itself, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from flyte import errors
from flyte.notify import _words as notify

CatchUp = Literal["latest", "all", "none"]
"""What becomes of ticks that were missed while no control plane was there."""

_CATCH_UPS = ("latest", "all", "none")
_LONGEST_NAME = 255
_CRON_FIELDS = 5
_LONGEST_INTERVAL_MINUTES = 100 * 365 * 24 * 60


@dataclass(frozen=True, slots=True)
class Cron:
    """Whenever the clock of a time zone fits an expression.

    Fields are minute, hour, day of the month, month and day of the week, as Debian's cron reads them: names
    (`MON-FRI`, `JAN`), steps (`*/5`), `L` for the last day, and `@daily`, `@hourly` and the like.

    Where clocks are set ahead, a fixed time within the gap comes right after it; where they are set back, a fixed time
    comes once, the first time.  An expression with a star for minutes or hours follows the time that passes.

    Args:
        expression: five fields, or a nickname such as `@daily`.
        timezone: name of a time zone, such as `Europe/Berlin`.

    Raises:
        DefinitionError: the expression has another number of fields.

    Example:
        >>> flyte.Cron("30 6 * * MON-FRI", "Europe/Berlin")
        Cron(expression='30 6 * * MON-FRI', timezone='Europe/Berlin')
    """

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        expression = _text("Cron: expression", self.expression).strip()
        _text("Cron: timezone", self.timezone)
        if not expression.startswith("@") and len(expression.split()) != _CRON_FIELDS:
            raise errors.DefinitionError(
                f"Cron: expression {self.expression!r} has {len(expression.split())} fields, not {_CRON_FIELDS}; write"
                " minute, hour, day, month and weekday, like '30 6 * * MON-FRI'"
            )

    @property
    def timezone_expression(self) -> str:
        """Expression and time zone in one text, as other schedulers take it."""
        return f"CRON_TZ={self.timezone} {self.expression}"

    def __str__(self) -> str:
        return f"Cron Trigger: {self.timezone_expression}"


@dataclass(frozen=True, slots=True)
class FixedRate:
    """Every so many minutes; in time that passes, so no change of a clock moves it.

    Args:
        interval_minutes: from one tick to the next; at least 1.
        start_time: the first tick; without it the first comes one interval after the trigger was deployed.  A moment
            without a time zone is in UTC.

    Raises:
        DefinitionError: the interval is none.

    Example:
        >>> flyte.FixedRate(15)
        FixedRate(interval_minutes=15, start_time=None)
    """

    interval_minutes: int
    start_time: datetime | None = None

    def __post_init__(self) -> None:
        minutes: Any = self.interval_minutes
        if not isinstance(minutes, int) or isinstance(minutes, bool):
            raise errors.DefinitionError(
                f"FixedRate: interval_minutes must be a whole number, got {minutes!r}"
            )
        if not 1 <= minutes <= _LONGEST_INTERVAL_MINUTES:
            raise errors.DefinitionError(
                f"FixedRate: interval_minutes must be 1 to {_LONGEST_INTERVAL_MINUTES}, got {minutes}"
            )
        start: Any = self.start_time
        if start is not None and not isinstance(start, datetime):
            raise errors.DefinitionError(f"FixedRate: start_time must be a datetime, got {start!r}")

    @property
    def starts_at(self) -> datetime | None:
        """The start with its time zone."""
        start = self.start_time
        return start.replace(tzinfo=UTC) if start is not None and start.tzinfo is None else start

    def __str__(self) -> str:
        start = f" starting at {self.start_time}" if self.start_time else ""
        return f"FixedRate Trigger: every {self.interval_minutes} minutes{start}"


@dataclass(frozen=True, slots=True, init=False)
class OnArtifact:
    """Whenever there is a new version of an artifact.

    The control plane of this package has no artifacts: it refuses to deploy such a trigger, and says so.

    Args:
        name: the artifact's.
        version: only this version.
        partitions: only with these values of its partitions.
        partition_kwargs: the same, for keys that are names in Python.

    Example:
        >>> flyte.OnArtifact("sales", region="eu")
        OnArtifact(name='sales', version=None, partitions={'region': 'eu'})
    """

    name: str
    version: str | None = None
    partitions: Mapping[str, str] | None = None

    def __init__(
        self,
        name: str,
        version: str | None = None,
        partitions: Mapping[str, str] | None = None,
        **partition_kwargs: str,
    ) -> None:
        both = {**(partitions or {}), **partition_kwargs}
        object.__setattr__(self, "name", _text("OnArtifact: name", name))
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "partitions", both or None)


Automation = Cron | FixedRate | OnArtifact


class _TriggerTime:
    """Stands for the time of the tick."""

    def __repr__(self) -> str:
        return "flyte.TriggerTime"


class _TriggeredArtifact:
    """Stands for the artifact that is new."""

    def __repr__(self) -> str:
        return "flyte.TriggeredArtifact"


TriggerTime = _TriggerTime()
"""As the value of an input of a trigger: the time of the tick, a `datetime` in UTC."""

TriggeredArtifact = _TriggeredArtifact()
"""As the value of an input of a trigger: the artifact that is new."""


@dataclass(frozen=True, slots=True)
class TriggeredPartition:
    """As the value of an input of a trigger: the value of one partition of the artifact that is new."""

    key: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """Starts a deployed task by itself.  It is deployed with the task, or by `flyte.remote.Trigger.create`.

    Args:
        name: unique among the triggers of the task.
        automation: a `Cron` or a `FixedRate`; None: only when somebody asks for a run.
        description: for people; at most 255 characters.
        auto_activate: whether it ticks as soon as it is deployed.
        inputs: values of the task's inputs; what is left out has its default.  `flyte.TriggerTime` stands for the time
            of the tick.
        env_vars: environment variables of its runs.
        interruptible: whether its runs may be interrupted; None: as the task says.
        overwrite_cache: execute even what is cached.
        queue: in which its runs wait.
        max_action_concurrency: how many actions of one run may be alive at once.
        labels: labels of its runs.
        annotations: annotations of its runs.
        notifications: what the control plane tells when one of its runs ends, and to whom (`flyte.notify`).
        custom_context: what `flyte.get_custom_context()` gives in its runs.
        catch_up: what becomes of ticks that were missed while no control plane was there: the `latest` of them gets
            its run, late; `all` of them (a hundred at most), those of a time in which the trigger was not active too;
            or `none`.

    Raises:
        DefinitionError: for a value that it cannot have.

    Example:
        >>> nightly = flyte.Trigger("nightly", flyte.Cron("0 3 * * *"), inputs={"at": flyte.TriggerTime})
        >>> @env.task(triggers=nightly)
        ... def report(at: datetime) -> str: ...
    """

    name: str
    automation: Automation | None = None
    description: str = ""
    auto_activate: bool = True
    inputs: dict[str, Any] | None = None
    env_vars: dict[str, str] | None = None
    interruptible: bool | None = None
    overwrite_cache: bool = False
    queue: str | None = None
    max_action_concurrency: int | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    notifications: Any = None
    custom_context: Mapping[str, str] | None = None
    catch_up: CatchUp = "latest"

    def __post_init__(self) -> None:
        _text("Trigger: name", self.name)
        where = f"trigger {self.name!r}"
        automation: Any = self.automation
        if automation is not None and not isinstance(automation, Cron | FixedRate | OnArtifact):
            raise errors.DefinitionError(
                f"{where}: automation must be a flyte.Cron, flyte.FixedRate or flyte.OnArtifact, got {automation!r}"
            )
        if self.catch_up not in _CATCH_UPS:
            raise errors.DefinitionError(
                f"{where}: catch_up must be one of {', '.join(_CATCH_UPS)}, got {self.catch_up!r}"
            )
        if len(self.description) > _LONGEST_NAME:
            raise errors.DefinitionError(
                f"{where}: description may have {_LONGEST_NAME} characters, it has {len(self.description)}"
            )
        if self.notifications is not None:
            notify.notifications(self.notifications, where)
        if sum(value is TriggerTime for value in (self.inputs or {}).values()) > 1:
            raise errors.DefinitionError(
                f"{where}: only one input can be flyte.TriggerTime; derive the others from it in the task"
            )

    @classmethod
    def daily(  # noqa: PLR0913 - a word
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "daily",
        description: str = "A trigger that runs daily at midnight",
        auto_activate: bool = True,
        inputs: dict[str, Any] | None = None,
        env_vars: dict[str, str] | None = None,
        interruptible: bool | None = None,
        overwrite_cache: bool = False,
        queue: str | None = None,
        max_action_concurrency: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        custom_context: Mapping[str, str] | None = None,
        catch_up: CatchUp = "latest",
    ) -> "Trigger":
        """A trigger that ticks every day at midnight in UTC.

        Args:
            trigger_time_input_key: the input that gets the time of the tick; None: none does.

        The other arguments are those of `Trigger`.

        Example:
            >>> flyte.Trigger.daily("at").automation
            Cron(expression='0 0 * * *', timezone='UTC')
        """
        return _ticking("0 0 * * *", trigger_time_input_key, _settings(locals()))

    @classmethod
    def hourly(  # noqa: PLR0913 - a word
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "hourly",
        description: str = "A trigger that runs every hour",
        auto_activate: bool = True,
        inputs: dict[str, Any] | None = None,
        env_vars: dict[str, str] | None = None,
        interruptible: bool | None = None,
        overwrite_cache: bool = False,
        queue: str | None = None,
        max_action_concurrency: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        custom_context: Mapping[str, str] | None = None,
        catch_up: CatchUp = "latest",
    ) -> "Trigger":
        """A trigger that ticks at the beginning of every hour.

        Args:
            trigger_time_input_key: the input that gets the time of the tick; None: none does.

        The other arguments are those of `Trigger`.

        Example:
            >>> flyte.Trigger.hourly("at").automation
            Cron(expression='0 * * * *', timezone='UTC')
        """
        return _ticking("0 * * * *", trigger_time_input_key, _settings(locals()))

    @classmethod
    def minutely(  # noqa: PLR0913 - a word
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "minutely",
        description: str = "A trigger that runs every minute",
        auto_activate: bool = True,
        inputs: dict[str, Any] | None = None,
        env_vars: dict[str, str] | None = None,
        interruptible: bool | None = None,
        overwrite_cache: bool = False,
        queue: str | None = None,
        max_action_concurrency: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        custom_context: Mapping[str, str] | None = None,
        catch_up: CatchUp = "latest",
    ) -> "Trigger":
        """A trigger that ticks every minute.

        Args:
            trigger_time_input_key: the input that gets the time of the tick; None: none does.

        The other arguments are those of `Trigger`.

        Example:
            >>> flyte.Trigger.minutely("at").automation
            Cron(expression='* * * * *', timezone='UTC')
        """
        return _ticking("* * * * *", trigger_time_input_key, _settings(locals()))

    @classmethod
    def weekly(  # noqa: PLR0913 - a word
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "weekly",
        description: str = "A trigger that runs weekly on Sundays at midnight",
        auto_activate: bool = True,
        inputs: dict[str, Any] | None = None,
        env_vars: dict[str, str] | None = None,
        interruptible: bool | None = None,
        overwrite_cache: bool = False,
        queue: str | None = None,
        max_action_concurrency: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        custom_context: Mapping[str, str] | None = None,
        catch_up: CatchUp = "latest",
    ) -> "Trigger":
        """A trigger that ticks on Sundays at midnight in UTC.

        Args:
            trigger_time_input_key: the input that gets the time of the tick; None: none does.

        The other arguments are those of `Trigger`.

        Example:
            >>> flyte.Trigger.weekly("at").automation
            Cron(expression='0 0 * * 0', timezone='UTC')
        """
        return _ticking("0 0 * * 0", trigger_time_input_key, _settings(locals()))

    @classmethod
    def monthly(  # noqa: PLR0913 - a word
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "monthly",
        description: str = "A trigger that runs monthly on the 1st at midnight",
        auto_activate: bool = True,
        inputs: dict[str, Any] | None = None,
        env_vars: dict[str, str] | None = None,
        interruptible: bool | None = None,
        overwrite_cache: bool = False,
        queue: str | None = None,
        max_action_concurrency: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        custom_context: Mapping[str, str] | None = None,
        catch_up: CatchUp = "latest",
    ) -> "Trigger":
        """A trigger that ticks on the first of every month at midnight in UTC.

        Args:
            trigger_time_input_key: the input that gets the time of the tick; None: none does.

        The other arguments are those of `Trigger`.

        Example:
            >>> flyte.Trigger.monthly("at").automation
            Cron(expression='0 0 1 * *', timezone='UTC')
        """
        return _ticking("0 0 1 * *", trigger_time_input_key, _settings(locals()))


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """What a classmethod was called with, as the arguments of `Trigger`."""
    return {
        key: value for key, value in given.items() if key not in ("cls", "trigger_time_input_key")
    }


def _ticking(expression: str, time_input: str | None, settings: dict[str, Any]) -> Trigger:
    inputs = dict(settings.pop("inputs") or {})
    if time_input is not None:
        inputs[time_input] = TriggerTime
    return Trigger(automation=Cron(expression), inputs=inputs or None, **settings)


def triggers(value: tuple[Trigger, ...] | Trigger) -> tuple[Trigger, ...]:
    """The triggers that a task's `triggers` asks for.

    Raises:
        DefinitionError: something else is among them, or two have one name.
    """
    found: Any = value if isinstance(value, tuple | list) else (value,)
    for each in found:
        if not isinstance(each, Trigger):
            raise errors.DefinitionError(f"triggers must be flyte.Trigger, got {each!r}")
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise errors.DefinitionError(
                f"two triggers of a task have the name {name!r}; give them different names"
            )
    return tuple(found)


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST_NAME:
        raise errors.DefinitionError(
            f"{field} must be a text of 1 to {_LONGEST_NAME} characters, got {value!r}"
        )
    return value
