"""pdb where an exception was raised, in the frames of the user's code."""

import bdb
import pdb  # noqa: T100 - this is what the command is for

import click

from flyte import _debug
from flyte.cli.run import usercode

_HELP = "pdb at the raising line: p NAME shows a value, w the stack, u and d go up and down, q ends"


def is_quit(error: BaseException) -> bool:
    """Whether it was raised because somebody left the debugger."""
    return isinstance(usercode.original(error), bdb.BdbQuit)


def post_mortem(error: BaseException) -> None:
    """Show the user's traceback, and stop where it ends; returns when the reader has left the debugger."""
    raised = usercode.original(error)
    click.echo(usercode.traceback_of(error), err=True, nl=False)
    frames = _debug.users_frames(raised)
    if frames is None:
        return  # it was never raised here
    click.echo(_HELP, err=True)
    pdb.post_mortem(frames)
