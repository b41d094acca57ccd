"""`flyte get notification`: what a run tells when it ends, to whom, and what became of it."""

from collections.abc import Mapping
from typing import Any

import click

from flyte import _session
from flyte._kit import aio
from flyte.cli import options, session
from flyte.cli.render import Table

_HEADS = ("number", "to", "on", "state", "failures", "error", "next try")


@click.command("notification")
@click.argument("run_name")
@options.scope_options
@options.pass_root
def get_notification(
    root: options.RootOptions, run_name: str, project: str | None, domain: str | None
) -> None:
    """Show what a run tells when it ends, to whom, and what became of it.

    States: waiting (for the end of the run, or for the next try), sent, failed (given up), unwanted (the run has ended
    in another way than is told).
    """
    session.connect(root, project=project, domain=domain)
    told = aio.background().wait(_asked(run_name))
    empty = f"run {run_name} tells nothing; see flyte.with_runcontext(notifications=…)"
    root.show(Table(_HEADS, [_row(each) for each in told], when_empty=empty), told)


async def _asked(run_name: str) -> list[dict[str, Any]]:
    current = _session.current()
    plane = await current.control_plane()
    where = {"project": _session.current_project(), "domain": _session.current_domain()}
    answer = await plane.own("NoticeService", "List", {**where, "run": run_name})
    return answer["notices"]


def _row(notice: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(int(notice["number"])),
        notice["to"],
        ", ".join(notice["phases"]),
        notice["state"],
        str(int(notice["failures"])),
        notice.get("error") or "",
        notice.get("next_at") or "",
    )
