"""`flyte.rerun`: start a run again, with other inputs, or going on from what succeeded in it."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte import _session, errors
from flyte._ids import ROOT_ACTION
from flyte._kit import aio, optional
from flyte._options import RunOptions
from flyte._run import RunVerb
from flyte._runtime import loader
from flyte._runtime.inprocess import journal, recovery, steps
from flyte._runtime.inprocess.journal import Told
from flyte._task import TaskTemplate

if TYPE_CHECKING:
    from flyte.remote import Run
    from flyte.remote._local import LocalRun

Plan = dict[str, Any]
"""`run`; `steps`, each with `action`, `parent`, `task`, `group`, `kind`, `phase`, `decision` (`reuse`, `execute`, or
`covered`: it belongs to a call that is reused) and `why`; `missing`: names of actions whose needed outputs are gone."""


class RerunVerb:
    """Starts runs again with fixed options: called it blocks, `.aio` awaits."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options

    def __call__(
        self,
        run_name: str,
        action_name: str = ROOT_ACTION,
        recover: bool = False,
        force_rerun_actions: Sequence[str] | None = None,
        allow_missing_source_outputs: bool = False,
        **inputs: Any,
    ) -> "Run | LocalRun":
        """Start an earlier run again: the same task, the same inputs, unless others are given.

        On a control plane it runs with the code of the earlier run; to go on with code that was edited since, use
        `flyte.with_runcontext(recover_from=run_name).run(task)`, or `flyte rerun RUN --recover`.  In local mode the
        code is that of this process, or is imported from the file that it came from.

        Args:
            run_name: the earlier run.
            action_name: run the task of this action alone, as a new run; the run's own by default.
            recover: take over what succeeded in the earlier run, and execute only the rest.
            force_rerun_actions: with `recover`: names of actions that are executed although they succeeded (and, so
                that somebody asks for them, those that called them).
            allow_missing_source_outputs: with `recover`: execute what has lost its outputs, instead of refusing.
            inputs: in place of those of the earlier run.

        Returns:
            A handle of the new run.

        Raises:
            ActionNotFoundError: there is no such run or action.
            DefinitionError: arguments that contradict each other.
            TaskInputError: an input is unknown.
            UnionRpcError: the control plane refuses, with the code `failed_precondition` if the earlier run has not
                ended, or outputs that are to be reused are gone.
            RuntimeUserError: in local mode, with the code `MissingOutputs`, for the latter.

        Example:
            >>> flyte.rerun("r1", recover=True).wait()
        """
        options = self._chosen(
            run_name, action_name, recover, force_rerun_actions, allow_missing_source_outputs
        )
        if not self._is_local():
            return _launcher().resubmit(run_name, action_name, options, inputs)
        return RunVerb(options)(self._local_task(run_name, action_name), **inputs)

    async def aio(
        self,
        run_name: str,
        action_name: str = ROOT_ACTION,
        recover: bool = False,
        force_rerun_actions: Sequence[str] | None = None,
        allow_missing_source_outputs: bool = False,
        **inputs: Any,
    ) -> "Run | LocalRun":
        """Start an earlier run again without blocking the caller's event loop."""
        options = self._chosen(
            run_name, action_name, recover, force_rerun_actions, allow_missing_source_outputs
        )
        if not self._is_local():
            return await _launcher().resubmit.aio(run_name, action_name, options, inputs)
        return await RunVerb(options).aio(self._local_task(run_name, action_name), **inputs)

    def _is_local(self) -> bool:
        return (self._options.mode or _session.current().mode) == "local"

    def _chosen(
        self,
        run_name: str,
        action_name: str,
        recover: bool,
        forced: Sequence[str] | None,
        allow_missing: bool,
    ) -> RunOptions:
        if recover and action_name != ROOT_ACTION:
            raise errors.DefinitionError(
                "recover goes with a whole run: leave action_name out, or rerun the action without recover"
            )
        return replace(
            self._options,
            repeats=None if recover else run_name,
            recover_from=run_name if recover else None,
            force_rerun_actions=tuple(forced or ()),
            allow_missing_source_outputs=allow_missing,
        )

    def _local_task(self, run_name: str, action_name: str) -> TaskTemplate[..., Any, Any]:
        if action_name != ROOT_ACTION:
            raise errors.DefinitionError(
                "a local run can be started again only as a whole: its other actions keep no inputs"
            )
        return task_of(journal.load(run_name))


rerun = RerunVerb(RunOptions())


def plan_local(
    run_name: str,
    force_rerun_actions: Sequence[str] = (),
    *,
    task: TaskTemplate[..., Any, Any],
    inputs: dict[str, Any],
) -> Plan:
    """What `rerun(run_name, recover=True)` of a run in local mode would reuse and execute; starts nothing.

    Raises:
        ActionNotFoundError: there is no such run.
        DefinitionError: a forced action does not exist.
    """
    told = journal.load(run_name)
    changed = aio.background().wait(steps.would_change(told.begun, task, inputs))
    found = recovery.Earlier(told, force_rerun_actions).plan(changed=changed)
    return {
        "run": found.run,
        "steps": [asdict(step) for step in found.steps],
        "missing": [name for name, _ in found.missing],
    }


def task_of(told: Told) -> TaskTemplate[..., Any, Any]:
    """The task of a local run: of this process, or imported from the file that it came from.

    Raises:
        DefinitionError: the task was defined interactively.
        ModuleLoadError: it cannot be imported any more.
    """
    begun = told.begun
    for value in _of_main(begun.file):
        if isinstance(value, TaskTemplate) and value.name == begun.task:
            return value
    if not begun.loader:
        raise errors.DefinitionError(
            f"run {begun.run} ran {begun.task}, which no file has; define it again and start it with "
            f"flyte.with_runcontext(recover_from={begun.run!r}).run(…)"
        )
    if begun.root not in sys.path:
        sys.path.insert(0, begun.root)
    return loader.ModuleLoader().load(begun.loader)


def _of_main(file: str) -> list[Any]:
    """What the script of this process defines, if it is that file: it must not be imported a second time."""
    main = sys.modules["__main__"]
    own = getattr(main, "__file__", None)
    return list(vars(main).values()) if own and str(Path(own).resolve()) == file else []


def _launcher() -> Any:
    # A run in this process must not pay for the client of a control plane.
    return optional.module("flyte._launch", needed_for="runs on a control plane")
