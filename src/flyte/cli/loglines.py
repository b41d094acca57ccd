"""Lines of a log on the screen: of `flyte get logs`, and of a run that is followed."""

import sys
from contextlib import suppress

import click

from flyte import errors
from flyte.remote import Run
from flyte.remote._logs import reading
from flyte.remote._logs.records import LogLine
from flyte.remote._watching import closing


async def tail(run: Run) -> None:
    """Print what the run's first action prints, until it ends."""
    with suppress(errors.LogsNotYetAvailableError):
        async with closing(reading.records(run.action.pb2.id, follows=True)) as said:
            async for line in said:
                show(line, show_ts=False)


def show(line: LogLine, *, show_ts: bool) -> None:
    """A line; on a terminal those of stderr and of the platform have colours."""
    color = {"err": "red", "system": "bright_black"}.get(line.stream)
    text = reading.text(line, show_ts=show_ts)
    click.echo(click.style(text, fg=color) if color and sys.stdout.isatty() else text)
