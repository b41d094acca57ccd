"""`flyte get storage` and `flyte delete run`: what is kept, how much of it, and what goes next."""

from datetime import datetime
from typing import Any

import click

from flyte import _session
from flyte._kit import aio
from flyte.cli import options, session
from flyte.cli.render import Table, moment, size

_SERVICE = "StorageService"
_MEANINGS = {
    "database": "runs, actions, attempts, the cache's entries",
    "run data": "inputs, outputs and files of runs",
    "logs": "what tasks printed",
    "uploads": "code bundles, inputs and files that clients have sent",
    "work": "unpacked code, hosts, what is just being removed",
    "environments": "of images; see 'flyte get environment'; not counted",
    "database copies": "before migrations, and of the day; not counted",
    "local runs": "of local mode, which looks after it; not counted",
    "local cache": "of local mode, which looks after it; not counted",
}


@click.command("storage")
@click.option(
    "--largest",
    type=click.IntRange(min=0, max=1000),
    default=5,
    show_default=True,
    help="How many of the largest runs.",
)
@options.pass_root
def get_storage(root: options.RootOptions, largest: int) -> None:
    """Show what the control plane keeps: bytes by category, limits, what is removed next."""
    session.connect(root)
    told = aio.background().wait(_asked("Describe", {"largest": largest}))
    root.show(Table(("what", "bytes", ""), _rows(told)), told)


@click.command("run")
@click.argument("name")
@options.scope_options
@options.pass_root
def delete_run(
    root: options.RootOptions, name: str, project: str | None, domain: str | None
) -> None:
    """Delete a run that has ended, with its data, logs and cached results."""
    session.connect(root, project=project, domain=domain)
    where = {"project": _session.current_project(), "domain": _session.current_domain()}
    aio.background().wait(_asked("DeleteRun", {**where, "run": name}))
    root.show(Table(("",), [(f"run {name} is deleted",)]), {"deleted": name})


async def _asked(method: str, payload: dict[str, Any]) -> dict[str, Any]:
    plane = await _session.current().control_plane()
    return await plane.own(_SERVICE, method, payload)


def _rows(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = [
        (name, size(told["categories"].get(name, 0)), meaning)
        for name, meaning in _MEANINGS.items()
    ]
    share = f"of the run data, {size(told['cached'])} are of runs whose results the cache has"
    rows += [
        ("in all", size(told["counted"]), f"{told['runs']} runs; {share}"),
        ("limit", *_limit(told)),
        ("disk", size(told["disk"]), f"{size(told['free'])} are free"),
        ("next to go", *_next(told)),
    ]
    rows += [(f"run {run['run']}", size(run["bytes"]), _ended(run)) for run in told["largest"]]
    return rows


def _limit(told: dict[str, Any]) -> tuple[str, str]:
    shown = size(told["limit"]) if told["limit"] else "none"
    days = f"runs are kept for {told['days']:g} days after their end" if told["days"] else ""
    excess = f"{size(told['excess'])} are too many" if told["excess"] else ""
    chosen = "FLYTE_SERVER_KEEP_GB, FLYTE_SERVER_KEEP_DAYS"
    return shown, "; ".join(part for part in (excess, days, chosen) if part)


def _next(told: dict[str, Any]) -> tuple[str, str]:
    run = told.get("next")
    if run is None:
        return "", "nothing: no run has ended, or others need the results"
    when = f"at {_time(told['next_at'])}" if "next_at" in told else "when room is needed"
    paused = ""
    if "paused_until" in told:
        paused = f"; nothing goes by age before {_time(told['paused_until'])}: the clock has leapt"
    return size(run["bytes"]), f"run {run['run']}, {when}{paused}"


def _ended(run: dict[str, Any]) -> str:
    return f"{run['project']}/{run['domain']}, ended {_time(run['ended_at'])}"


def _time(text: str) -> str:
    return moment(datetime.fromisoformat(text)) if text else ""
