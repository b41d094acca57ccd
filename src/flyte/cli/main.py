"""The root command: options for every command, and commands that are imported when they are used.

One of the three doors for imports inside functions: `flyte --help` must not pay for a terminal.
"""

import os
import sys
import traceback
from typing import Any, NoReturn

import click

from flyte import errors
from flyte._kit import aio
from flyte.cli import exit_codes, options, verbs
from flyte.cli.exit_codes import ExitCode
from flyte.cli.render import PlainScreen, Screen


class CommandFailed(click.ClickException):
    """One line for the reader, and an exit status of its own."""

    def __init__(self, message: str, status: ExitCode) -> None:
        super().__init__(message)
        setattr(self, "exit_code", int(status))  # noqa: B010 - click declares one for all of a class


class Root(verbs.LazyGroup):
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
            ctx.exit(ExitCode.INTERRUPTED)
        except Exception as error:
            if ctx.params["verbose"]:
                traceback.print_exc()
            raise CommandFailed(_one_line(error), exit_codes.of(error)) from error


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
    cls=Root, members=verbs.COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
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
