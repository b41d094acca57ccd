"""`flyte.run` and `flyte.with_runcontext`: start a task here, or on a control plane."""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec

from flyte import _session, errors
from flyte._ids import random_run_name
from flyte._interface import NativeInterface
from flyte._kit import aio, optional
from flyte._options import CacheLookupScope, CopyFiles, RunMode, RunOptions
from flyte._runtime.inprocess import steps
from flyte._runtime.inprocess.journal import load
from flyte._runtime.inprocess.steps import Source, Steps
from flyte._runtime.local import LocalRuntime, Surroundings
from flyte._task import TaskTemplate
from flyte.remote._data import ActionInputs, ActionOutputs
from flyte.remote._local import LocalRun
from flyte.remote._tasks.details import LazyEntity, TaskDetails

if TYPE_CHECKING:
    from flyte.remote import Run

P = ParamSpec("P")

_log = logging.getLogger("flyte.run")
_NOT_BUILT = ("interactive_mode", "tracked", "tracked_strict")
"""Options that would change what happens, and that this version does not have."""


class RunVerb:
    """Starts tasks with fixed options: called it blocks, `.aio` awaits.

    Local mode runs the task in the calling thread (so that a debugger stops in it) and raises what it raises; remote
    mode returns as soon as the control plane has accepted the run.
    """

    def __init__(self, options: RunOptions) -> None:
        self._options = options

    def __call__(
        self,
        task: "TaskTemplate[P, Any, Any] | LazyEntity | TaskDetails",
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> "Run | LocalRun":
        """Start a task.

        Args:
            task: what `@env.task` made, or a deployed task (`flyte.remote.Task.get`).
            args: its inputs by position.
            kwargs: its inputs by name.

        Returns:
            A handle of the run: `wait()`, `outputs()`, `phase`, `url`, …

        Raises:
            TaskInputError: an input is missing, unknown or given twice.
            RemoteTaskNotFoundError, RemoteTaskUsageError: there is no such deployed task, or it cannot run here.
            RuntimeDataValidationError: an input does not fit its type.
            BaseRuntimeError: in local mode, what the task raised, as a control plane would report it.

        Example:
            >>> run = flyte.run(main, n=10)
            >>> run.wait()
            >>> run.outputs()
            ActionOutputs(o0=37.5)
        """
        return self.start(task, args, kwargs)

    def start(
        self,
        task: "TaskTemplate[..., Any, Any] | LazyEntity | TaskDetails",
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> "Run | LocalRun":
        """The same with the inputs as values: their names may be any, `task` and `self` too."""
        if isinstance(task, LazyEntity | TaskDetails):
            self._check_deployed(task.name)
            return _launcher().submit_deployed(task, args, kwargs, self._options)
        arguments = self._bound(task, args, kwargs)
        if not self._is_local():
            return _launcher().submit(task, arguments, self._options)
        local = _LocalStart.of(task, self._options)
        if self._options.earlier is not None:
            arguments = aio.background().wait(local.completed(arguments))
        with local.kept() as kept:
            runtime = LocalRuntime(steps=kept, debugged=self._options.debug)
            returned = runtime.run_root(task, arguments, **self._surroundings(local.name))
        return _finished(local.name, task.interface, arguments, returned)

    async def aio(
        self,
        task: "TaskTemplate[P, Any, Any] | LazyEntity | TaskDetails",
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> "Run | LocalRun":
        """Start a task without blocking the caller's event loop; local tasks run on that loop."""
        if isinstance(task, LazyEntity | TaskDetails):
            self._check_deployed(task.name)
            return await _launcher().submit_deployed.aio(task, args, kwargs, self._options)
        arguments = self._bound(task, args, kwargs)
        if not self._is_local():
            return await _launcher().submit.aio(task, arguments, self._options)
        local = _LocalStart.of(task, self._options)
        if self._options.earlier is not None:
            arguments = await aio.background().join(local.completed(arguments))
        with local.kept() as kept:
            runtime = LocalRuntime(steps=kept, debugged=self._options.debug)
            surroundings = self._surroundings(local.name)
            returned = await runtime.run_root_aio(task, arguments, **surroundings)
        return _finished(local.name, task.interface, arguments, returned)

    def _bound(self, task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs; of a run that recovers an earlier one only those that are given anew."""
        if not isinstance(task, TaskTemplate):
            raise errors.DefinitionError(
                f"flyte.run takes a task, not {task!r}; decorate the function with @env.task"
            )
        if self._options.earlier is not None:
            return task.interface.convert_to_kwargs(*args, **kwargs)
        return task.interface.bind(args, kwargs, what=f"task {task.name!r}")

    def _check_deployed(self, name: str) -> None:
        """Refuse to run in this process what has no code here."""
        if self._is_local():
            raise errors.RemoteTaskUsageError(
                f"deployed task {name!r} cannot run in this process, which does not have its code; choose a "
                "control plane with flyte.init(endpoint=…) or mode='remote'"
            )

    def _is_local(self) -> bool:
        return (self._options.mode or _session.current().mode) == "local"

    def _surroundings(self, name: str) -> Surroundings:
        options = self._options
        return {
            "name": name,
            "project": options.project or _session.current_project(),
            "domain": options.domain or _session.current_domain(),
            "custom_context": options.custom_context,
            "env_vars": options.env_vars,
            "raw_data_path": options.raw_data_path,
            "force_serialization": options.force_serialization,
            "overwrite_cache": options.overwrite_cache,
            "disable_run_cache": options.disable_run_cache,
            "cache_lookup_scope": options.cache_lookup_scope,
        }


class _Chosen:
    """The verb `run` of a `Runner`, with its options."""

    def __get__(self, runner: "Runner | None", owner: type) -> RunVerb:
        return RunVerb(runner.options if runner is not None else RunOptions())


class Runner:
    """What `with_runcontext` returns: `run`, `rerun` and their `.aio` forms with the options chosen."""

    run = _Chosen()

    def __init__(self, options: RunOptions) -> None:
        self.options = options

    @property
    def rerun(self) -> Any:
        """`flyte.rerun` with these options."""
        return optional.module("flyte._rerun", needed_for="rerun").RerunVerb(self.options)


run = RunVerb(RunOptions())


def with_runcontext(  # noqa: PLR0913 - an official signature
    mode: RunMode | None = None,
    *,
    name: str | None = None,
    service_account: str | None = None,
    version: str | None = None,
    copy_style: CopyFiles = "loaded_modules",
    dry_run: bool = False,
    copy_bundle_to: Path | None = None,
    interactive_mode: bool | None = None,
    raw_data_path: str | None = None,
    run_base_dir: str | None = None,
    run_start_time: datetime | None = None,
    overwrite_cache: bool = False,
    project: str | None = None,
    domain: str | None = None,
    env_vars: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    interruptible: bool | None = None,
    log_level: int | None = None,
    log_format: str = "console",
    user_log_level: int | None = None,
    reset_root_logger: bool = False,
    disable_run_cache: bool = False,
    queue: str | None = None,
    max_action_concurrency: int | None = None,
    notifications: Any = None,
    custom_context: dict[str, str] | None = None,
    cache_lookup_scope: CacheLookupScope = "global",
    preserve_original_types: bool = False,
    debug: bool = False,
    tracked: bool = False,
    tracked_strict: bool = False,
    _tracker: Any = None,
    force_serialization: bool = False,
    recover_from: str | None = None,
    force_rerun_actions: Sequence[str] | None = None,
    allow_missing_source_outputs: bool = False,
) -> Runner:
    """Choose how the next run happens; see `RunOptions` for every option.

    Args:
        mode: `local`: in this process; `remote`: on the session's control plane; None: as the session has it.
        name: name of the run; else one is made.
        copy_style: code that workers get: `loaded_modules` (of this process), `all` (files below the root that are
            not ignored), `none` (the image has it; needs `version`).
        overwrite_cache: run cached tasks again and store the new results.
        notifications: what a control plane tells when the run ends, and to whom (`flyte.notify`).
        custom_context: values for `flyte.ctx().custom_context` in every task of the run.
        force_serialization: in local mode, write and read every value as bytes, as a control plane always does.
        recover_from: an earlier run of the task, in the same mode, from which what succeeded is taken over.

    Raises:
        DefinitionError: options that contradict each other, or that this version does not support.

    Example:
        >>> flyte.with_runcontext(mode="local", env_vars={"DEBUG": "1"}).run(main, n=10)
    """
    return Runner(_options(locals()))


def _options(given: Mapping[str, Any]) -> RunOptions:
    """Options from the arguments of `with_runcontext`; None means the default."""
    for option in _NOT_BUILT:
        if given[option]:
            raise errors.DefinitionError(
                f"with_runcontext({option}={given[option]!r}) is not supported in this version; remove it"
            )
    names = [field.name for field in fields(RunOptions)]
    return RunOptions(**{name: given[name] for name in names if given.get(name) is not None})


@dataclass(frozen=True, slots=True)
class _LocalStart:
    """What a run in this process begins with, besides its options: its name, and what it takes over."""

    name: str
    task: TaskTemplate[..., Any, Any]
    options: RunOptions

    @classmethod
    def of(cls, task: TaskTemplate[..., Any, Any], options: RunOptions) -> "_LocalStart":
        if options.notifications:
            _log.warning(
                "the notifications of this run are not sent: only a control plane does that"
            )
        return cls(options.name or random_run_name(), task, options)

    @contextmanager
    def kept(self) -> Generator[Steps]:
        """The steps of the run, with a journal that is closed at its end."""
        options = self.options
        source = Source.of(self.task, _session.current().root_dir or Path.cwd())
        found, journal = steps.opened(
            self.name,
            source,
            recover_from=options.recover_from,
            forced=options.force_rerun_actions,
            allow_missing=options.allow_missing_source_outputs,
            repeats=options.repeats or "",
        )
        with nullcontext() if journal is None else closing(journal):
            yield found

    async def completed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of the earlier run, and in their place those that are given anew."""
        told = load(self.options.earlier or "")
        return await steps.arguments(told.begun, self.task, given)


def _launcher() -> ModuleType:
    # A run in this process must not pay for the client of a control plane.
    return optional.module("flyte._launch", needed_for="runs on a control plane")


def _finished(
    name: str, interface: NativeInterface, arguments: Mapping[str, Any], returned: Any
) -> LocalRun:
    outputs = interface.split(returned)
    return LocalRun(
        name,
        ActionInputs(None, dict(arguments)),
        ActionOutputs(None, tuple(outputs.values()), tuple(outputs)),
    )
