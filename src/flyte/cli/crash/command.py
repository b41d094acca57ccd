"""`flyte test crash FILE TASK --input value`: is the task repeatable, wherever its process dies?"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from flyte import errors
from flyte._kit import clock
from flyte._task import TaskTemplate
from flyte.cli import options
from flyte.cli.crash import trial, trials
from flyte.cli.crash.report import Report
from flyte.cli.crash.trial import Orders
from flyte.cli.crash.trials import Subject, Trials
from flyte.cli.run.command import Files, TaskCommand, Tasks
from flyte.cli.run.script import Script

_NOT_REPEATABLE = 1
_SECONDS_BETWEEN_LINES = 5.0


class CrashFiles(Files):
    """`flyte test crash`: every Python file is a command."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return CrashTasks(cmd_name, root_dir=ctx.params["root_dir"])


class CrashTasks(Tasks):
    """`flyte test crash FILE`: every task of the file is a command."""

    def __init__(self, file: str, *, root_dir: str | None) -> None:
        super().__init__(file, root_dir=root_dir)
        self.params = []  # whose run it is does not matter: it stays in this process's own folders

    def task_command(
        self, name: str, task: TaskTemplate[..., Any, Any], script: Script
    ) -> TaskCommand:
        return CrashCommand(name, task, script)


class CrashCommand(TaskCommand):
    """`flyte test crash FILE TASK`: the task's inputs are options, as of `flyte run`."""

    verb = "flyte test crash"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[__name__] = tuple(args)
        return super().parse_args(ctx, args)

    def begin(self, ctx: click.Context, inputs: Mapping[str, Any]) -> None:
        chosen = ctx.parent.parent.params if ctx.parent and ctx.parent.parent else {}
        if chosen["trial"]:
            trial.perform(Orders.read(chosen["trial"]), self.task, inputs)
            return
        subject = Subject(self.script.path, self.script.root, str(self.name), ctx.meta[__name__])
        report = _tried(
            subject,
            self.task.name,
            seconds=chosen["timeout"],
            most=chosen["max_steps"],
            at=chosen["at"],
        )
        root = ctx.ensure_object(options.RootOptions)
        root.show(report.table(), report.document())
        if not root.as_json:
            click.echo("\n".join(report.lines()))
        if not report.repeatable:
            raise click.exceptions.Exit(_NOT_REPEATABLE)


def _tried(
    subject: Subject, task: str, *, seconds: float | None, most: int, at: Sequence[int]
) -> Report:
    """Run the task undisturbed, then with every crash."""
    folder = Path(tempfile.mkdtemp(prefix="flyte-crash-"))
    try:
        made = Trials(subject, folder, seconds)
        click.echo(f"{task}: two runs without a crash …", err=True)
        started = clock.monotonic()
        undisturbed = made.undisturbed()
        took = clock.monotonic() - started
        if undisturbed.told.finished is None:
            raise errors.RuntimeUserError("NoResult", _no_result(task, undisturbed.told.log))
        made.patience(took)
        records = undisturbed.told.written
        wanted = trials.chosen(records, most, at)
        if not wanted:
            raise click.UsageError(f"--at: {task} has the steps 1 to {len(records)}")
        tried = trials.crashes(wanted)
        _say_estimate(len(wanted), len(tried), took)
        tell = _Progress(len(tried)).tell
        verdicts = trials.run_all(made, tried, undisturbed, tell)
        return Report(task, undisturbed, verdicts, 0 if at else len(records) - len(wanted))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _no_result(task: str, log: str) -> str:
    return f"{task} gave no result even without a crash, so there is nothing to compare; it said:\n{log}"


def _say_estimate(steps: int, crashes: int, took: float) -> None:
    # The two undisturbed runs went on side by side; a crash is two processes, one after the other.
    seconds = crashes * 2 * took / trials.at_once()
    named = "1 step" if steps == 1 else f"{steps} steps"
    click.echo(f"{named}, {crashes} crashes: about {seconds:.0f} s …", err=True)


class _Progress:
    """A line now and then."""

    def __init__(self, crashes: int) -> None:
        self._crashes = crashes
        self._next_at = clock.monotonic() + _SECONDS_BETWEEN_LINES

    def tell(self, done: int) -> None:
        if clock.monotonic() >= self._next_at and done < self._crashes:
            self._next_at = clock.monotonic() + _SECONDS_BETWEEN_LINES
            click.echo(f"{done} of {self._crashes} crashes", err=True)


@click.group()
def test() -> None:
    """Try your own tasks: what does a crash do to them?"""


@test.group("crash", cls=CrashFiles, subcommand_metavar="FILE TASK [INPUTS]...")
@click.option(
    "--at",
    multiple=True,
    type=click.IntRange(min=1),
    help="Only this step; may be given several times.",
)
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Of more steps, as many are tried, evenly spread.",
)
@click.option(
    "--timeout",
    type=float,
    help="Seconds that one run may take; else ten times an undisturbed one.",
)
@click.option("--root-dir", help="Where imports start; else the working directory.")
@click.option("--trial", hidden=True, help="The orders of one process of a trial.")
def crash(**_: Any) -> None:
    """Kill a task at every step, take its run up again, and tell which steps are not repeatable.

    Runs the task in processes of its own on this machine, each time with a crash (SIGKILL) right before or right after
    one record of the run's journal, and compares what comes out after the crash with a run without one. Each of them
    has a working directory of its own: small files of this one are copied there, the rest is linked. What a task does
    elsewhere (a database, a service) it does for real, and as often as it is run.

    \b
    flyte test crash pipeline.py main --n 3
    flyte test crash --at 7 pipeline.py main --n 3     only step 7

    Ends with status 0 if the task is repeatable, 1 if not.
    """
