"""The root command: options for every command, and commands that are imported when they are used.

One of the three doors for imports inside functions: `flyte --help` must not pay for the wire, nor
for a terminal.
"""

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from flyte import errors
from flyte._kit import aio
from flyte.cli import options
from flyte.cli.render import PlainScreen, Screen

COMMANDS = {
    "abort": ("flyte.cli.abort", "Stop a run, or one action of it."),
    "build": ("flyte.cli.images.build", "Build the images of a Python file's environments."),
    "create": ("flyte.cli.create", "Make a configuration file, a project or a secret."),
    "debug": ("flyte.cli.debug.command", "Run a failed action here, and stop where it fails."),
    "delete": ("flyte.cli.delete", "Delete what is no longer wanted."),
    "get": ("flyte.cli.get", "Show runs, actions, inputs and outputs, logs, projects."),
    "rerun": ("flyte.cli.rerun.command", "Start a run again, or go on from what succeeded in it."),
    "run": ("flyte.cli.run.command", "Run a task of a Python file."),
    "start": ("flyte.cli.server", "Start the control plane of this machine."),
    "stop": ("flyte.cli.server", "Stop the control plane of this machine."),
    "test": ("flyte.cli.crash.command", "Try your own tasks: what does a crash do to them?"),
    "update": ("flyte.cli.limits.commands", "Change what the control plane keeps to."),
    "whoami": ("flyte.cli.whoami", "Show who the control plane takes you for."),
}
"""Name of a command: the module that defines it, and its line in `flyte --help`."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class CommandFailed(click.ClickException):
    """One line for the reader; exit status 1."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, and imports one when it is used."""

    def __init__(
        self, *args: Any, commands_by_name: Mapping[str, tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._by_name = commands_by_name

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._by_name:
            return None
        module, _ = self._by_name[cmd_name]
        return getattr(importlib.import_module(module), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self._by_name:
            near = difflib.get_close_matches(name, self._by_name, n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._by_name[name][1]) for name in self.list_commands(ctx)])


class Root(LazyGroup):
    """The outermost group: the one place where errors become an exit status."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except SystemExit as ended:
            if not args and not kwargs and aio.background.cache_info().currsize:
                _leave(ended.code)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if ctx.params["verbose"]:
                traceback.print_exc()
            raise CommandFailed(_one_line(error)) from error


def _leave(status: Any) -> NoReturn:
    """End the process without the interpreter's teardown.

    While the interpreter goes down, a native thread of the HTTP client that asks for the GIL aborts
    the whole process (seen on Python 3.11); and the teardown takes longer than many a command.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


def _one_line(error: Exception) -> str:
    if isinstance(error, errors.BaseRuntimeError | errors.ActionNotFoundError):
        return str(error)
    return (
        f"{type(error).__name__}: {error} (this should not happen: "
        "run the command again with `flyte -v …` and report what it prints)"
    )


def _screen() -> Screen:
    """Where progress and tables go: rich is loaded for a terminal only."""
    if not sys.stdout.isatty():
        return PlainScreen()
    from flyte.cli.terminal import TerminalScreen

    return TerminalScreen()


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from flyte import __version__

        click.echo(f"flyte {__version__}")
        ctx.exit()


@click.group(
    cls=Root, commands_by_name=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version)
@options.root_options
@click.pass_context
def main(ctx: click.Context, /, **chosen: Any) -> None:
    """Run Python functions as durable tasks, here or on a control plane.

    \b
    flyte run FILE TASK --input value     run a task of a file
    flyte get run                         what ran, and how it ended
    flyte start server                    the control plane of this machine
    """
    ctx.obj = options.RootOptions(open_screen=_screen, **chosen)
