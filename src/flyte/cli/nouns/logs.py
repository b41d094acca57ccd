"""`flyte get logs`: what an action printed."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from click.core import ParameterSource

from flyte._ids import ROOT_ACTION
from flyte._kit import aio, clock
from flyte.cli import loglines, options, session
from flyte.cli.render import as_json
from flyte.remote import Action
from flyte.remote._logs import reading
from flyte.remote._logs.records import STREAMS, LogLine
from flyte.remote._watching import closing
from flyte.syncify import syncify

_QUIET_SECONDS = 3.0
"""Without --follow, an action that still runs is taken to have said all when silent for so long."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_CONTEXT = 20
_PRETTY_LINES = 30


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """`10m`, `2h`, or a date and time."""
    if value is None:
        return None
    span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)
    if span is not None:
        return clock.now() - timedelta(seconds=float(span[1]) * _UNITS[span[2]])
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no time; write e.g. 10m, 2h or 2026-01-31T12:00:00"
        ) from None
    return (found if found.tzinfo else found.astimezone()).astimezone(UTC)


@click.command("logs")
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the action ends.")
@click.option(
    "-l",
    "--lines",
    type=click.IntRange(min=0),
    default=_PRETTY_LINES,
    show_default="all; 30 with --pretty",
    help="Only the last LINES lines.",
)
@click.option("--show-ts", "--timestamps", is_flag=True, help="Put the time before each line.")
@click.option("--pretty", is_flag=True, help="Show the last lines in a frame that moves with them.")
@click.option("-a", "--attempt", type=click.IntRange(min=1), help="Which attempt; else the latest.")
@click.option("--filter-system", is_flag=True, help="Leave out what Flyte itself said.")
@click.option("--stream", type=click.Choice(list(STREAMS.values())), help="Only this stream.")
@click.option("--since", callback=_moment, help="Only what was written later: 10m, 2h, or a time.")
@click.option("--until", callback=_moment, help="Only what was written earlier.")
@click.option(
    "--grep", "pattern", help="Search for a regular expression; without ACTION in all of the run."
)
@click.option("-F", "--fixed", is_flag=True, help="With --grep: the pattern is plain text.")
@click.option(
    "-C",
    "--context",
    type=click.IntRange(0, _MOST_CONTEXT),
    default=0,
    help="With --grep: show so many lines around each match.",
)
@options.scope_options
@options.pass_root
def get_logs(
    root: options.RootOptions, run_name: str, action_name: str | None, **chosen: Any
) -> None:
    """Print what a run's task printed, or one action of it; or search in it."""
    session.connect(root, project=chosen.pop("project"), domain=chosen.pop("domain"))
    action = Action.get(run_name=run_name, name=action_name or ROOT_ACTION)
    pattern, context, fixed = (chosen.pop(name) for name in ("pattern", "context", "fixed"))
    pretty = chosen.pop("pretty")
    if not pretty and not _is_given("lines"):
        chosen["lines"] = None
    if pattern is not None:
        wanted = {"pattern": pattern, "text": fixed, "context": context} | _filters(chosen)
        _grep(root, action, wanted, everywhere=action_name is None, show_ts=chosen["show_ts"])
        return
    most, show_ts = chosen.pop("lines"), chosen.pop("show_ts")
    said: Iterable[LogLine] = _said(action, **chosen)
    if pretty and not root.as_json:
        texts = (reading.text(line, show_ts=show_ts) for line in said)
        root.open_screen().lines(texts, title=f"{run_name}/{action.name}", most=most or 1)
        return
    if most is not None:
        said = deque(said, maxlen=most)
    if root.as_json:
        found = [_document(line) for line in said]
        click.echo(as_json(found, compact=root.output_format == "json-raw"))
        return
    for line in said:
        loglines.show(line, show_ts=show_ts)


def _is_given(name: str) -> bool:
    """Whether an option was written on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not ParameterSource.DEFAULT


def _document(line: LogLine) -> dict[str, Any]:
    made: dict[str, Any] = {
        "at": line.at and line.at.isoformat(),
        "stream": line.stream,
        "text": line.text,
    }
    return made if line.fields is None else made | {"fields": line.fields}


@syncify
async def _said(
    action: Action,
    *,
    follow: bool,
    attempt: int | None,
    filter_system: bool,
    stream: str | None,
    since: datetime | None,
    until: datetime | None,
) -> AsyncIterator[LogLine]:
    """The lines of an action: all if it has ended or `follow`, else those that are there."""
    patience = None if follow or action.done() else _QUIET_SECONDS
    found = reading.records(action.pb2.id, attempt=attempt, follows=follow)
    async with closing(found) as lines:
        while True:
            try:
                async with asyncio.timeout(patience):
                    line = await anext(lines)
            except (StopAsyncIteration, TimeoutError):
                return
            if filter_system and line.stream == "system":
                continue
            if stream in {None, line.stream} and _is_within(line, since, until):
                yield line


def _is_within(line: LogLine, since: datetime | None, until: datetime | None) -> bool:
    if line.at is None:
        return since is None and until is None
    return (since is None or line.at >= since) and (until is None or line.at < until)


def _filters(chosen: dict[str, Any]) -> dict[str, Any]:
    """What a search leaves out."""
    made: dict[str, Any] = {}
    if chosen["lines"] is not None:
        made["limit"] = max(chosen["lines"], 1)
    if chosen["attempt"] is not None:
        made["attempt"] = chosen["attempt"]
    if chosen["stream"] is not None:
        made["stream"] = chosen["stream"]
    for name in ("since", "until"):
        if chosen[name] is not None:
            made[name] = str(int(chosen[name].timestamp() * 1_000_000))
    return made


def _grep(
    root: options.RootOptions,
    action: Action,
    wanted: dict[str, Any],
    *,
    everywhere: bool,
    show_ts: bool,
) -> None:
    where = action.pb2.id
    if everywhere:
        where = type(where)(run=where.run)
    answer = aio.background().wait(reading.search(where, wanted))
    matches: list[dict[str, Any]] = answer["matches"]
    if root.as_json:
        click.echo(as_json(answer, compact=root.output_format == "json-raw"))
        return
    for match in matches:
        _show_match(match, show_ts=show_ts, with_context=bool(wanted["context"]))
    if answer["incomplete"]:
        click.echo(f"Not everything was searched: {answer['incomplete']}.", err=True)


def _show_match(match: dict[str, Any], *, show_ts: bool, with_context: bool) -> None:
    place = f"{match['action']}/{match['attempt']}:{match['number']}"
    for line in match["before"]:
        click.echo(f"{place}- {line}")
    at = match["at"] and datetime.fromtimestamp(int(match["at"]) / 1_000_000, UTC)
    shown = LogLine(match["text"], at or None, STREAMS[match["stream"]])
    click.echo(f"{place}: {reading.text(shown, show_ts=show_ts)}")
    for line in match["after"]:
        click.echo(f"{place}- {line}")
    if with_context:
        click.echo("--")
