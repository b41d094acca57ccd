"""Names of deployed tasks for the shell's completion."""

import click
from click.shell_completion import CompletionItem

from flyte import _session, errors
from flyte._kit import aio
from flyte.cli import session
from flyte.cli.options import RootOptions
from flyte.cli.render import PlainScreen
from flyte.remote import Task

_MANY = 500
"""How many names are completed at most."""


def deployed(
    ctx: click.Context, _: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """Deployed tasks whose names begin like this; none if the control plane cannot be asked now."""
    try:
        connect(ctx)
        tasks = list(Task.listall(limit=_MANY, sort_by=("name", "asc")))
    except errors.BaseRuntimeError:
        return []  # whoever presses a key wants no message in the middle of the line
    return [
        CompletionItem(task.name, help=task.pb2.metadata.short_description)
        for task in tasks
        if task.name.startswith(incomplete)
    ]


def connect(ctx: click.Context) -> None:
    """Set up the SDK while a shell completes; a control plane that does not run is not started for that.

    Raises:
        UnionRpcError: it does not run.
    """
    # While a shell completes, commands are only read: nothing has made the root's options of its parameters.
    root = RootOptions(open_screen=PlainScreen, **ctx.find_root().params)
    session.connect(root, project=ctx.params.get("project"), domain=ctx.params.get("domain"))
    here = _session.current()
    aio.background().wait(here.link.open(here, start=False))
