"""`flyte run deployed-task ENV.TASK[:VERSION] --input value`: a deployed task, its inputs as they are stored of it."""

from typing import Any

import click
from click.shell_completion import CompletionItem

from flyte import errors
from flyte.cli import options, session
from flyte.cli.options import RootOptions
from flyte.cli.run import launch, names, params
from flyte.remote import Task, TaskDetails

_MANY = 500
"""How many names are listed or completed at most."""


class DeployedTasks(click.Group):
    """`flyte run deployed-task`: every deployed task is a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [task.name for task in self._tasks(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        try:
            return DeployedTaskCommand(cmd_name, self._details(ctx, cmd_name))
        except errors.BaseRuntimeError as error:
            if ctx.resilient_parsing:
                return click.Command(
                    cmd_name
                )  # a shell completes: there are no options that could be named
            if isinstance(error, errors.RemoteTaskNotFoundError):
                raise click.UsageError(str(error), ctx) from error
            raise

    def _details(self, ctx: click.Context, named: str) -> TaskDetails:
        choices = _choices(ctx)
        _connect(ctx, choices)
        name, _, version = named.partition(":")
        version = version or choices.version or ""
        auto_version = None if version else "latest"
        return Task.get(name, version=version or None, auto_version=auto_version).fetch()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return args[0], self.get_command(ctx, args[0]), args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        tasks = list(self._tasks(ctx))
        lines = [(task.name, task.pb2.metadata.short_description) for task in tasks]
        with formatter.section("Deployed tasks"):
            formatter.write_dl(lines or [("(none)", "deploy some with: flyte deploy FILE")])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return names.deployed(ctx, None, incomplete)

    def _tasks(self, ctx: click.Context) -> list[Task]:
        _connect(ctx, _choices(ctx))
        return list(Task.listall(limit=_MANY, sort_by=("name", "asc")))


class DeployedTaskCommand(click.Command):
    """`flyte run deployed-task TASK`: the task's inputs are options."""

    def __init__(self, name: str, details: TaskDetails) -> None:
        text = details.pb2.spec.documentation
        super().__init__(
            name,
            params=params.options(details.interface, _defaults(details)),
            help=text.long_description or text.short_description or f"Run {details.name}.",
            epilog=f"Version {details.version}.",
            context_settings={"token_normalize_func": params.normalised},
        )
        self.details = details

    def invoke(self, ctx: click.Context) -> None:
        interface = self.details.interface
        inputs = params.given(ctx.params, interface)
        if missing := params.missing(inputs, interface):
            raise click.UsageError(f"{self.details.name} needs {missing}", ctx)
        choices = _choices(ctx.parent)
        launch.deployed(self.details, inputs, root=ctx.ensure_object(RootOptions), choices=choices)


def _defaults(details: TaskDetails) -> dict[str, Any]:
    return {
        named.name: launch.shown_default(named.parameter.default)
        for named in details.pb2.spec.default_inputs
        if named.parameter.HasField("default")
    }


def _choices(ctx: click.Context | None) -> launch.Choices:
    """What was chosen for the run: options of `flyte run`; the scope may stand after `deployed-task`."""
    if ctx is None or ctx.parent is None:
        return launch.Choices()
    chosen = {name: value for name, value in ctx.parent.params.items() if name != "root_dir"}
    chosen |= {name: value for name, value in ctx.params.items() if value is not None}
    choices = launch.Choices(**chosen)
    if choices.local:
        raise click.UsageError(
            "a deployed task runs on a control plane, which has its code; leave --local out", ctx
        )
    return choices


def _connect(ctx: click.Context, choices: launch.Choices) -> None:
    if ctx.resilient_parsing:
        names.connect(ctx)
        return
    root = ctx.ensure_object(RootOptions)
    session.connect(root, project=choices.project, domain=choices.domain)


@click.group("deployed-task", cls=DeployedTasks, subcommand_metavar="TASK[:VERSION] [INPUTS]...")
@options.scope_options
def deployed_task(**_: Any) -> None:
    """Run a deployed task by its name, the version that was deployed last or a given one, and wait for its outputs.

    \b
    flyte run deployed-task models.train --folds 3
    flyte run deployed-task models.train:1f0c… --help
    """
