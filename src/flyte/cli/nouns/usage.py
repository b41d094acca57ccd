"""`flyte get usage`: memory and CPU of an action's attempts, and over time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import click

from flyte import _session, errors
from flyte._ids import ROOT_ACTION
from flyte._kit import aio
from flyte.cli import options, session
from flyte.cli.render import Table, duration, moment, size

_LINES = 20


@click.command("usage")
@click.argument("run_name")
@click.argument("action_name", default=ROOT_ACTION)
@click.option(
    "--attempt", type=click.IntRange(min=1), help="Which attempt (default: the last one)."
)
@click.option(
    "--all", "whole", is_flag=True, help=f"Every sample; else {_LINES} spread over the time."
)
@options.scope_options
@options.pass_root
def get_usage(
    root: options.RootOptions,
    run_name: str,
    action_name: str,
    attempt: int | None,
    whole: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Show what an action's attempts used: peaks, and memory and CPU over time."""
    session.connect(root, project=project, domain=domain)
    told = aio.background().wait(_asked(run_name, action_name, attempt))
    if not root.as_json:
        for name, text in _facts(told, told["attempts"]):
            click.echo(f"{name}: {text}")
    samples = told["samples"] if whole else _spread(told["samples"])
    columns = ("time", "memory", "CPUs", "CPU time", "GPU memory")
    when_empty = "no samples: the attempt took no longer than a second or two"
    root.show(Table(columns, list(_rows(samples)), when_empty=when_empty), told)


def facts(run_name: str, action_name: str) -> Sequence[tuple[str, str]]:
    """What the last attempt of an action used, for a table of facts; nothing if the control plane does not tell."""
    try:
        told = aio.background().wait(_asked(run_name, action_name, None))
    except errors.UnionRpcError as error:
        if error.code == "unimplemented":
            return ()
        raise
    return tuple(_facts(told, told["attempts"][-1:]))


async def _asked(run: str, action: str, attempt: int | None) -> dict[str, Any]:
    plane = await _session.current().control_plane()
    where = {"project": _session.current_project(), "domain": _session.current_domain()}
    number = {"attempt": attempt} if attempt else {}
    return await plane.own("UsageService", "Get", {**where, "run": run, "action": action, **number})


def _facts(
    told: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for attempt in attempts:
        if attempt["peak_memory"] or attempt["cpu_seconds"]:
            yield f"usage of attempt {attempt['number']}", _used(told["bounds"], attempt)


def _used(bounds: Mapping[str, int], attempt: Mapping[str, Any]) -> str:
    """`peak memory 210 MB of 268 MB, CPU time 3.1 s`."""
    memory = f"peak memory {size(attempt['peak_memory'])}"
    if bounds["memory"]:
        memory += f" of {size(bounds['memory'])}"
    parts = [memory, f"CPU time {duration(timedelta(seconds=attempt['cpu_seconds']))}"]
    if attempt["peak_gpu_memory"]:
        parts.append(f"peak GPU memory {size(attempt['peak_gpu_memory'])}")
    return ", ".join(parts)


def _spread(samples: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
    """The first, the last and some in between, evenly."""
    if len(samples) <= _LINES:
        return samples
    step = (len(samples) - 1) / (_LINES - 1)
    return [samples[round(index * step)] for index in range(_LINES)]


def _rows(samples: Sequence[Sequence[int]]) -> Iterator[tuple[str, ...]]:
    """One line per sample; `CPUs` is how many were busy since the one before."""
    if samples:
        yield _row(samples[0], "")
    for (earlier, _, spent, _), sample in pairwise(samples):
        passed = max(1, sample[0] - earlier)
        yield _row(sample, f"{(sample[2] - spent) / passed:.2f}")


def _row(sample: Sequence[int], cpus: str) -> tuple[str, ...]:
    at_ms, memory, cpu_ms, gpu = sample
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    spent = duration(timedelta(milliseconds=cpu_ms))
    return (moment(at), size(memory), cpus, spent, size(gpu) if gpu else "")
