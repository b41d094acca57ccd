"""`RunOptions`: everything that `with_runcontext` lets a user choose about one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from flyte import errors
from flyte.notify import _words as notify

RunMode = Literal["local", "remote", "hybrid"]
CopyFiles = Literal["loaded_modules", "all", "none", "custom"]
CacheLookupScope = Literal["global", "project-domain"]

_COPY_STYLES = ("loaded_modules", "all", "none", "custom")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How one run happens; the defaults are what a bare `flyte.run` does.

    Raises:
        DefinitionError: options that contradict each other, or that this version does not know.
    """

    mode: RunMode | None = None
    """None: remote if the session has an endpoint, else in this process."""
    name: str | None = None
    service_account: str | None = None
    version: str | None = None
    copy_style: CopyFiles = "loaded_modules"
    dry_run: bool = False
    """Prepare everything, send nothing."""
    copy_bundle_to: Path | None = None
    """Directory that also gets the code bundle, to look at."""
    raw_data_path: str | None = None
    run_base_dir: str | None = None
    run_start_time: datetime | None = None
    overwrite_cache: bool = False
    project: str | None = None
    domain: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    interruptible: bool | None = None
    log_level: int | None = None
    log_format: str = "console"
    user_log_level: int | None = None
    reset_root_logger: bool = False
    disable_run_cache: bool = False
    queue: str | None = None
    max_action_concurrency: int | None = None
    notifications: Any = ()
    """What the control plane tells when the run ends (`flyte.notify`); afterwards a tuple or a `NamedRule`."""
    custom_context: Mapping[str, str] = field(default_factory=dict[str, str])
    cache_lookup_scope: CacheLookupScope = "global"
    preserve_original_types: bool = False
    debug: bool = False
    """In local mode: calls have all the time, and are not tried again, because somebody looks at them."""
    force_serialization: bool = False
    """In local mode: every value is written as bytes and read again, as between the processes of a control plane."""
    recover_from: str | None = None
    """An earlier run of the task, in the same mode.  What succeeded in it is taken over and not executed again, also if
    the code was edited since; inputs that are not given are those of that run."""
    repeats: str | None = None
    """An earlier run that is started again from the beginning, with its inputs where none are given."""
    force_rerun_actions: Sequence[str] = ()
    """With `recover_from`: names of actions that are executed although they succeeded."""
    allow_missing_source_outputs: bool = False
    """With `recover_from`: execute what has lost its outputs, instead of refusing."""

    @property
    def earlier(self) -> str | None:
        """The run that this one repeats or recovers."""
        return self.recover_from or self.repeats

    def __post_init__(self) -> None:
        if self.mode not in (None, "local", "remote"):
            raise _wrong("mode", self.mode, "'local', 'remote', or None to let the session decide")
        if self.copy_style not in _COPY_STYLES:
            raise _wrong(
                "copy_style", self.copy_style, "'loaded_modules', 'all', 'custom' or 'none'"
            )
        if self.copy_style == "none" and not self.version:
            raise errors.DefinitionError(
                "copy_style='none' sends no code, so the version cannot be computed from it; pass version=…"
            )
        if self.recover_from is None and (
            self.force_rerun_actions or self.allow_missing_source_outputs
        ):
            raise errors.DefinitionError(
                "force_rerun_actions and allow_missing_source_outputs say how a run is recovered; "
                "name it with recover_from=…"
            )
        wished = notify.notifications(self.notifications, "with_runcontext")
        object.__setattr__(self, "notifications", wished)
        for option in ("env_vars", "labels", "annotations", "custom_context"):
            _check_strings(option, getattr(self, option))


def _check_strings(option: str, given: Mapping[str, str]) -> None:
    for key, value in given.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise _wrong(f"{option}[{key!r}]", value, f"a string, such as {str(value)!r}")


def _wrong(option: str, value: object, expected: str) -> errors.DefinitionError:
    return errors.DefinitionError(f"with_runcontext({option}={value!r}): it must be {expected}")
