"""`flyte get condition` and `flyte signal condition`: what a run asks, and the answer."""

from datetime import datetime
from typing import Any

import click

from flyte._kit import aio
from flyte._wire.conditions import messages
from flyte.cli import options, session
from flyte.cli.render import Table
from flyte.remote import Condition
from flyte.remote import _condition as conditions

_PAUSED = "paused"
_LONGEST = 60
"""Characters of a prompt in a table."""


@click.command("condition")
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option(
    "--link",
    "with_links",
    is_flag=True,
    help="Also a signed link for each that waits; whoever has it can answer within 7 days.",
)
@options.scope_options
@options.pass_root
def get_condition(
    root: options.RootOptions,
    run_name: str,
    action_name: str | None,
    with_links: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """List what a run asks, who answered, how and when.

    With ACTION_NAME only what this action asks.  Answer with: flyte signal condition RUN NAME VALUE
    """
    session.connect(root, project=project, domain=domain)
    found = list(Condition.listall(run_name, action_name, limit=2**31 - 1))
    told: dict[str, dict[str, Any]] = {}
    if found:
        told = aio.background().wait(conditions.described_of(found[0].pb2.id.run))
    documents = [_document(each, told.get(each.action_name, {})) for each in found]
    if with_links:
        for condition, document in zip(found, documents, strict=True):
            document["link"] = condition.link() if condition.phase == _PAUSED else None
    rows = [_row(document, with_link=with_links) for document in documents]
    heads = ("name", "action", "type", "phase", "prompt", "answer", "by", "when")
    empty = f"run {run_name} asks nothing (yet); see it with: flyte get action {run_name}"
    shown = Table((*heads, "link") if with_links else heads, rows, when_empty=empty)
    root.show(shown, documents)


@click.command("condition")
@click.argument("run_name")
@click.argument("action_name")
@click.argument("value", required=False)
@options.scope_options
@options.pass_root
def signal_condition(
    root: options.RootOptions,
    run_name: str,
    action_name: str,
    value: str | None,
    project: str | None,
    domain: str | None,
) -> None:
    """Answer a condition; the first answer counts.

    ACTION_NAME is the condition's own name, or that of its action.  Without VALUE the question is shown, and the
    answer asked for:

    \b
    flyte signal condition r1 release true
    flyte signal condition r1 amount 3
    """
    session.connect(root, project=project, domain=domain)
    condition = Condition.get(action_name, run_name=run_name)
    if condition is None:
        raise click.ClickException(
            f"run {run_name} has no condition {action_name!r}; list them with: flyte get condition {run_name}"
        )
    answer = _asked(condition) if value is None else _parsed(condition, value)
    aio.background().wait(conditions.answer(condition, answer, channel="cli"))
    done = {"run": run_name, "condition": condition.name, "answer": answer}
    root.show(Table(("",), [(f"condition {condition.name} of {run_name}: {answer}",)]), done)


def _parsed(condition: Condition, text: str) -> bool | int | float | str:
    wanted: Any = condition.expected_type or str
    try:
        return messages.parsed(text, wanted)
    except ValueError as error:
        raise click.UsageError(f"condition {condition.name}: {error}") from error


def _asked(condition: Condition) -> bool | int | float | str:
    told = condition.described()
    click.echo(told.get("prompt") or f"condition {condition.name}", err=True)
    if told.get("description"):
        click.echo(told["description"], err=True)
    kind = condition.expected_type or str
    while True:
        text = click.prompt(f"answer ({kind.__name__})", err=True)
        try:
            return _parsed(condition, text)
        except click.UsageError as error:
            click.echo(error.message, err=True)


def _document(condition: Condition, told: dict[str, Any]) -> dict[str, Any]:
    kind = condition.expected_type
    known = {
        "action": condition.action_name,
        "name": condition.name,
        "type": kind.__name__ if kind else "",
        "phase": condition.phase,
    }
    document = {**told, **known}
    for key in ("asked_at", "until", "ended_at"):
        document[key] = _text(told.get(key))
    if told.get("answer"):
        document["answer"] = {**told["answer"], "at": _text(told["answer"]["at"])}
    return document


def _row(document: dict[str, Any], *, with_link: bool) -> tuple[str, ...]:
    given = document.get("answer") or {}
    by = f"{given['name']} ({given['channel']})" if given else ""
    row = (
        document["name"],
        document["action"],
        document["type"],
        document["phase"],
        _short(document.get("prompt", "")),
        str(given.get("value", "")),
        by,
        given.get("at") or "",
    )
    return (*row, document.get("link") or "") if with_link else row


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(sep=" ", timespec="seconds")
