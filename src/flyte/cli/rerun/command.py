"""`flyte rerun RUN`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import click

from flyte import _launch, _rerun, _run, _session
from flyte._earlier import EarlierRun, completed, earlier_run
from flyte._ids import ROOT_ACTION, random_run_name
from flyte._interface import NativeInterface
from flyte._kit import aio
from flyte._options import RunOptions
from flyte._runtime.inprocess import journal
from flyte._task import TaskTemplate
from flyte._wire import origins
from flyte.cli import options, session
from flyte.cli.rerun import inputs, plans
from flyte.cli.run import launch
from flyte.cli.run.script import Script, nearest

_LATER = "Only together with --recover."


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of `flyte rerun`."""

    project: str | None
    domain: str | None
    local: bool
    recover: bool
    plan: bool
    forced: tuple[str, ...]
    allow_missing_outputs: bool
    action_name: str
    inputs: str | None
    pairs: tuple[tuple[str, str], ...]
    code: str | None
    same_code: bool
    name: str | None
    env_vars: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    follow: bool

    def check(self) -> None:
        """Refuse options that contradict each other."""
        if (self.plan or self.forced or self.allow_missing_outputs) and not self.recover:
            raise click.UsageError(
                "--plan, --force and --allow-missing-outputs say how a run is recovered; add --recover"
            )
        if self.recover and self.action_name != ROOT_ACTION:
            raise click.UsageError(
                "--recover goes with a whole run; leave --action-name or --recover out"
            )
        if self.code and (self.same_code or self.action_name != ROOT_ACTION):
            raise click.UsageError("--code goes neither with --same-code nor with --action-name")
        if self.local and self.same_code:
            raise click.UsageError("a local run keeps no code: leave --same-code out")

    def run_options(self, run_name: str, mode: Literal["local", "remote"]) -> RunOptions:
        """How the new run happens."""
        return RunOptions(
            mode=mode,
            name=self.name,
            env_vars=dict(self.env_vars),
            labels=dict(self.labels),
            repeats=None if self.recover else run_name,
            recover_from=run_name if self.recover else None,
            force_rerun_actions=self.forced,
            allow_missing_source_outputs=self.allow_missing_outputs,
        )


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("run_name")
@options.scope_options
@click.option("--local", is_flag=True, help="The run was one of `flyte run --local`.")
@click.option("--recover", is_flag=True, help="Take over what succeeded; execute only the rest.")
@click.option("--plan", is_flag=True, help=f"Show what would be reused and executed. {_LATER}")
@click.option(
    *("--force", "--force-rerun-action", "forced"),
    multiple=True,
    metavar="ACTION",
    help=f"Execute this action although it succeeded; may be given several times. {_LATER}",
)
@click.option(
    "--allow-missing-outputs",
    is_flag=True,
    help=f"Execute what has lost its outputs, instead of refusing. {_LATER}",
)
@click.option(
    "--action-name",
    default=ROOT_ACTION,
    show_default=True,
    help="Run the task of this action alone, as a new run.",
)
@click.option("--inputs", metavar="JSON", help="Other inputs, as a JSON object.")
@click.option(
    *("-i", "--input", "pairs"),
    multiple=True,
    type=options.KeyValue(),
    help="One other input, NAME=VALUE; may be given several times.",
)
@click.option("--code", metavar="FILE", help="Run with the code of this file.")
@click.option("--same-code", is_flag=True, help="With --recover: the code that the run had.")
@click.option("--name", help="Name of the new run; else one is made.")
@options.new_run_options
@click.option("-f", "--follow", is_flag=True, help="Also print what the task prints, as it comes.")
@click.pass_context
def rerun(ctx: click.Context, run_name: str, **chosen: Any) -> None:
    """Start a run again, or go on from what succeeded in it.

    \b
    flyte rerun RUN                       the same task, inputs and code
    flyte rerun RUN --n 5                 with another input, as `flyte run` reads it
    flyte rerun RUN --recover --plan      what would be reused, what executed, and why
    flyte rerun RUN --recover             go on from what succeeded, with the code as it is now
    """
    root = ctx.ensure_object(options.RootOptions)
    chosen["pairs"] += tuple(inputs.pairs(ctx.args))
    choices = Choices(**chosen)
    choices.check()
    if choices.local:
        _here(run_name, root, choices)
    else:
        _on_control_plane(run_name, root, choices)


def _here(run_name: str, root: options.RootOptions, choices: Choices) -> None:
    session.show_logs(root)
    begun = journal.load(run_name).begun
    if choices.action_name != ROOT_ACTION:
        raise click.UsageError("a local run starts again as a whole only; leave --action-name out")
    if not (choices.code or begun.file):
        raise click.UsageError(
            f"run {run_name} has no file; name one that has {begun.task} with --code"
        )
    script = Script.at(choices.code or begun.file, None if choices.code else begun.root)
    task = _task(script, begun.task)
    given = inputs.given(choices.inputs, choices.pairs, task.native_interface)
    if choices.recover:
        plan = _rerun.plan_local(run_name, choices.forced, task=task, inputs=given)
        if choices.plan:
            plans.show(plan, root)
            return
    _say(f"code: {_shown(script.path)} as it is now", root)
    chosen = choices.run_options(run_name, "local")
    chosen = replace(chosen, name=chosen.name or random_run_name())
    launch.run_here(lambda: _run.RunVerb(chosen)(task, **given), chosen.name, root)


def _on_control_plane(run_name: str, root: options.RootOptions, choices: Choices) -> None:
    session.connect(root, project=choices.project, domain=choices.domain)
    wait = aio.background().wait
    earlier = wait(earlier_run(run_name, choices.action_name))
    script = _script(earlier, root, choices)
    task = _task(script, earlier.task_name) if script else None
    interface = task.native_interface if task else earlier.interface
    given = inputs.given(choices.inputs, choices.pairs, interface)
    if choices.plan:
        plans.show(wait(_plan(earlier, interface, choices.forced, given)), root)
        return
    chosen = choices.run_options(run_name, "remote")
    if script and task:
        project, domain = choices.project, choices.domain
        session.connect(root, project=project, domain=domain, root_dir=script.root)
        run: Any = _run.RunVerb(chosen)(task, **given)
    else:
        run = _launch.resubmit(run_name, choices.action_name, chosen, given)
    launch.show(run, earlier.task_name, root=root, with_logs=choices.follow)


async def _plan(
    earlier: EarlierRun, interface: NativeInterface, forced: Sequence[str], given: Mapping[str, Any]
) -> dict[str, Any]:
    made = await completed(interface, given, earlier.inputs) if given else earlier.inputs
    return await earlier.plan(await _session.current().control_plane(), forced, made)


def _script(earlier: EarlierRun, root: options.RootOptions, choices: Choices) -> Script | None:
    """The code that the new run gets; None for that of the earlier one.  Says which, where there is a choice."""
    if choices.code:
        return Script.at(choices.code)
    if not choices.recover or choices.same_code:
        return None
    source = origins.source(earlier.spec.annotations.values)
    if source is None or not source.file.is_file():
        gone = f" ({source.file} is gone)" if source else ""
        _say(f"code: that of the earlier run{gone}; --code FILE takes another", root)
        return None
    _say(f"code: {_shown(source.file)} as it is now; --same-code takes the run's own", root)
    return Script.at(str(source.file), str(source.root))


def _task(script: Script, name: str) -> TaskTemplate:
    """The task of that full name in a file."""
    known = {task.name: task for task in script.tasks().values()}
    if name not in known:
        raise click.UsageError(
            f"{_shown(script.path)} has no task {name!r}{nearest(name, known)}"
            f" (it has: {', '.join(known) or 'none'}); name another file with --code"
        )
    return known[name]


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _say(line: str, root: options.RootOptions) -> None:
    if not root.as_json:
        click.echo(line, err=True)
