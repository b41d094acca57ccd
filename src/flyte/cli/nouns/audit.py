"""`flyte get audit`: who changed what, and who was not allowed to."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from flyte import _session
from flyte._kit import aio, clock
from flyte.cli import options, session
from flyte.cli.render import Table, moment

_PAGE = 1000
_AGO = re.compile(r"([1-9][0-9]{0,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command("audit")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Entries at most."
)
@click.option(
    "--who", default="", help="Only entries of this name or subject, such as key:nightly."
)
@click.option("-p", "--project", default="", help="Only entries of this project.")
@click.option("--since", help="Only what is newer: 2h, 7d, or a time such as 2026-03-01T12:00.")
@options.pass_root
def get_audit(
    root: options.RootOptions, limit: int, who: str, project: str, since: str | None
) -> None:
    """Show the audit log, the newest entries first: every change, and every refusal.

    It says who called what about what, and never with which values.  Entries are kept for a year, 200,000 at most.
    """
    asked: dict[str, Any] = {"who": who, "project": project}
    if since:
        asked["since"] = str(_microseconds(since))
    session.connect(root)
    found = aio.background().wait(_entries(asked, limit))
    rows = [
        (
            moment(datetime.fromtimestamp(int(entry["at"]) / 1_000_000, UTC)),
            entry["subject"],
            entry["method"].rpartition(".")[2],
            entry["target"],
            entry["outcome"],
            entry["address"],
        )
        for entry in found
    ]
    heads = ("at", "who", "what", "about", "outcome", "from")
    root.show(Table(heads, rows, when_empty="nothing was changed in this time"), found)


async def _entries(asked: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    plane = await _session.current().control_plane()
    entries: list[dict[str, Any]] = []
    before = ""
    while len(entries) < limit:
        wanted = {**asked, "before": before, "limit": min(limit - len(entries), _PAGE)}
        page = await plane.own("AuditService", "List", wanted)
        entries += page["entries"]
        before = page["next"]
        if not before:
            break
    return entries


def _microseconds(text: str) -> int:
    found = _AGO.fullmatch(text.strip())
    try:
        if found is not None:
            since = clock.now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
        else:
            since = datetime.fromisoformat(text.strip())
        return max(int(since.timestamp() * 1_000_000), 0)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time; write 2h, 7d, or a time such as 2026-03-01T12:00.",
            param_hint="--since",
        ) from None
