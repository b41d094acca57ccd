"""`flyte run FILE TASK --input value`: a file's tasks as commands, their inputs as options."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from flyte import errors
from flyte._task import TaskTemplate
from flyte.cli import options
from flyte.cli.run import launch, params
from flyte.cli.run.script import Script, nearest

_COPY_STYLES = ["loaded_modules", "all", "none", "custom"]

SPECIAL = {
    "deployed-task": ("flyte.cli.run.deployed", "deployed_task"),
    "python-script": ("flyte.cli.run.scripts", "python_script"),
}
"""Commands below `flyte run` that are no files: their module and the name of their function."""


class Files(click.Group):
    """`flyte run`: every Python file is a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*SPECIAL, *sorted(str(path) for path in Path().glob("*.py"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name in SPECIAL:
            module, function = SPECIAL[cmd_name]
            return getattr(importlib.import_module(module), function)
        return Tasks(cmd_name, root_dir=ctx.params["root_dir"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = [name for name in self.list_commands(ctx) if name not in SPECIAL]
        if names:
            with formatter.section("Python files here"):
                formatter.write_dl([(name, "") for name in names])
        with formatter.section("Without a file"):
            formatter.write_dl([(name, "") for name in SPECIAL])


class Tasks(click.Group):
    """`flyte run FILE`: every task of the file is a command."""

    def __init__(self, file: str, *, root_dir: str | None) -> None:
        super().__init__(
            name=file,
            help=f"Run a task of {file}.",
            params=[*options.scope_parameters()],
            subcommand_metavar="TASK [INPUTS]...",
        )
        self._file, self._root_dir = file, root_dir

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._script().tasks())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        script = self._script()
        tasks = script.tasks()
        by_full_name = {task.name: task for task in tasks.values()}
        task = tasks.get(cmd_name) or by_full_name.get(cmd_name)
        if task is None:
            raise click.UsageError(_no_such_task(self._file, cmd_name, list(tasks)), ctx)
        return self.task_command(cmd_name, task, script)

    def task_command(self, name: str, task: TaskTemplate, script: Script) -> "TaskCommand":
        """The command of one task."""
        return TaskCommand(name, task, script)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        tasks = self._script().tasks().items()
        with formatter.section("Tasks"):
            formatter.write_dl([(name, _summary(task)) for name, task in tasks] or [("(none)", "")])

    def _script(self) -> Script:
        try:
            return Script.at(self._file, self._root_dir)
        except errors.ModuleLoadError as error:
            raise click.UsageError(str(error)) from error


class TaskCommand(click.Command):
    """`flyte run FILE TASK`: the task's inputs are options."""

    verb = "flyte run"
    """Whose options stand before the file."""

    def __init__(self, name: str, task: TaskTemplate, script: Script) -> None:
        interface = task.native_interface
        super().__init__(
            name,
            params=params.options(interface),
            help=interface.docstring or f"Run {task.name}.",
            context_settings={"token_normalize_func": params.normalised},
        )
        self.task, self.script = task, script

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name, file = error.option_name, ctx.parent
            verb = file.parent.command if file and file.parent else run
            if any(name in (*param.opts, *param.secondary_opts) for param in verb.params):
                shown = file.info_name if file else "FILE"
                raise click.UsageError(
                    f"{name} is an option of `{self.verb}`; "
                    f"write it before the file: {self.verb} {name} … {shown} {self.name}",
                    ctx,
                ) from error
            raise

    def invoke(self, ctx: click.Context) -> None:
        inputs = params.given(ctx.params, self.task.native_interface)
        if missing := params.missing(inputs, self.task.native_interface):
            raise click.UsageError(f"{self.task.name} needs {missing}", ctx)
        self.begin(ctx, inputs)

    def begin(self, ctx: click.Context, inputs: Mapping[str, Any]) -> None:
        """Do what the command is for."""
        root, choices = ctx.ensure_object(options.RootOptions), _choices(ctx)
        if choices.local:
            launch.here(self.task, inputs, root=root, choices=choices)
        else:
            launch.on_control_plane(
                self.task, inputs, script=self.script, root=root, choices=choices
            )


def _choices(ctx: click.Context) -> launch.Choices:
    """What was chosen for the run: options of `flyte run`; the scope may stand after the file."""
    file = ctx.parent
    chosen = dict(file.parent.params) if file and file.parent else {}
    chosen.pop("root_dir", None)
    later = file.params if file else {}
    chosen |= {name: value for name, value in later.items() if value is not None}
    return launch.Choices(**chosen)


def _summary(task: TaskTemplate) -> str:
    """One line for a list: the docstring's first line, else the inputs."""
    interface = task.native_interface
    inputs = ", ".join(interface.inputs) or "no inputs"
    return (interface.docstring or inputs).strip().partition("\n")[0]


def _no_such_task(file: str, name: str, known: Sequence[str]) -> str:
    if not known:
        return f"{file} has no task {name!r}, and none at all; decorate a function with @env.task"
    return f"{file} has no task {name!r}{nearest(name, known)} (it has: {', '.join(known)})"


@click.group(cls=Files, subcommand_metavar="FILE TASK [INPUTS]...")
@options.scope_options
@click.option("--local", is_flag=True, help="Run in this process, without a control plane.")
@click.option(
    "--force-serialization",
    is_flag=True,
    help="With --local: every value goes through bytes, as between processes.",
)
@click.option(
    "--debug",
    is_flag=True,
    help="With --local: stop in pdb where an exception is not caught; no time limits, no retries.",
)
@click.option("-f", "--follow", is_flag=True, help="Also print what the task prints, as it comes.")
@click.option("--name", help="Name of the run; else the control plane makes one.")
@options.new_run_options
@click.option("--overwrite-cache", is_flag=True, help="Run cached tasks again; store the results.")
@click.option(
    "--max-action-concurrency",
    type=click.IntRange(min=1),
    help="How many actions of the run may run at once.",
)
@click.option("--queue", help="Queue to run in.")
@click.option("--service-account", help="Account to run as.")
@click.option("--version", help="Version of the tasks; else a hash of their code.")
@click.option(
    "--copy-style",
    type=click.Choice(_COPY_STYLES),
    default="loaded_modules",
    show_default=True,
    help="Which files go into the code bundle.",
)
@click.option(
    "--root-dir", help="Where imports and the code bundle start; else the working directory."
)
@click.option("--raw-data-path", help="Where tasks put files and large values.")
@click.option("--image", "images", multiple=True, help="A name for an existing image, NAME=URI.")
@click.option("--no-sync-local-sys-paths", is_flag=True, help="Keep this sys.path from the tasks.")
@click.option("--run-project", help="Project of the run, if not that of the task.")
@click.option("--run-domain", help="Domain of the run, if not that of the task.")
def run(**_: Any) -> None:
    """Run a task of a Python file and wait for its outputs.

    \b
    flyte run hello.py greet --name you   on the configured or this machine's control plane
    flyte run --local hello.py greet      in this process: breakpoints work
    flyte run hello.py --help             the tasks of the file
    flyte run deployed-task greetings.greet --name you
    flyte run hello.py greet --help       the inputs of the task
    """
