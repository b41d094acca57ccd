"""`flyte get logs`: what an action printed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import click

from flyte import errors
from flyte._ids import ROOT_ACTION
from flyte.cli import options, session
from flyte.cli.render import as_json
from flyte.remote import Action, Run
from flyte.remote._watching import closing
from flyte.syncify import syncify

_QUIET_SECONDS = 1.0
"""Without --follow, an action that still runs is taken to have said all when silent for so long."""


@click.command("logs")
@click.argument("run_name")
@click.argument("action_name", default=ROOT_ACTION)
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the action ends.")
@click.option("-l", "--lines", type=click.IntRange(min=0), help="Only the last LINES lines.")
@click.option("--show-ts", is_flag=True, help="Put the time before each line.")
@click.option("-a", "--attempt", type=click.IntRange(min=1), help="Which attempt; else the latest.")
@click.option("--filter-system", is_flag=True, help="Leave out what Flyte itself said.")
@options.scope_options
@options.pass_root
def get_logs(
    root: options.RootOptions, run_name: str, action_name: str, lines: int | None, **chosen: Any
) -> None:
    """Print what a run's task printed, or one action of it."""
    session.connect(root, project=chosen.pop("project"), domain=chosen.pop("domain"))
    action = Action.get(run_name=run_name, name=action_name)
    said: Iterable[str] = _said(action, **chosen)
    if lines is not None:
        said = deque(said, maxlen=lines)
    if root.as_json:
        click.echo(as_json(list(said), compact=root.output_format == "json-raw"))
        return
    for line in said:
        click.echo(line)


async def tail(run: Run) -> None:
    """Print what the run's first action prints, until it ends."""
    with suppress(errors.LogsNotYetAvailableError):
        async with closing(run.get_logs.aio()) as said:
            async for line in said:
                click.echo(line)


@syncify
async def _said(action: Action, *, follow: bool, **chosen: Any) -> AsyncIterator[str]:
    """The lines of an action: all if it has ended or `follow`, else those that are there."""
    patience = None if follow or action.done() else _QUIET_SECONDS
    async with closing(action.get_logs.aio(**chosen)) as lines:
        while True:
            try:
                async with asyncio.timeout(patience):
                    line = await anext(lines)
            except (StopAsyncIteration, TimeoutError):
                return
            yield line
