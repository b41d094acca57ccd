"""`flyte get limit`, `flyte update limit KIND NAME MOST`, `flyte delete limit KIND NAME`."""

from typing import Any

import click

from flyte import _session, errors
from flyte._kit import aio
from flyte.cli import explained, options, session
from flyte.cli.render import Table

_kind = click.argument("kind", type=click.Choice(["environment", "queue"]))


@click.command("limit")
@options.pass_root
def get_limit(root: options.RootOptions) -> None:
    """Show how many actions may run at once, what the machine has, and who holds it.

    The slots of the machine hold for all, its CPUs, memory, disk and accelerators for those that ask for them;
    environments and queues may have limits of their own, and a run the one that it was started with.  A parent that
    only waits for what it called counts for nothing, but keeps its memory, disk and accelerators.
    """
    session.connect(root)
    found, machine = _ask("List")["limits"], _ask("Machine")
    root.show(explained.limits(found, machine), {"limits": found, "machine": machine})


@click.command("limit")
@_kind
@click.argument("name")
@click.argument("most", type=click.IntRange(min=1))
@options.pass_root
def update_limit(root: options.RootOptions, kind: str, name: str, most: int) -> None:
    """Let at most MOST actions of an environment or a queue run at once.

    What runs already goes on.

    \b
    flyte update limit environment gpu 1
    """
    session.connect(root)
    _ask("Set", kind=kind, name=name, most=most)
    told = Table(("",), [(f"at most {most} actions of the {kind} {name} run at once",)])
    root.show(told, {"kind": kind, "name": name, "most": most})


@click.command("limit")
@_kind
@click.argument("name")
@options.pass_root
def delete_limit(root: options.RootOptions, kind: str, name: str) -> None:
    """Take the limit of an environment or a queue away."""
    session.connect(root)
    _ask("Delete", kind=kind, name=name)
    told = Table(("",), [(f"the {kind} {name} has no limit any more",)])
    root.show(told, {"kind": kind, "name": name, "most": None})


def set_aside(run_name: str) -> list[str]:
    """What the control plane has set aside of a run, a line each; such actions may be missing in listings."""
    return aio.background().wait(_set_aside(run_name))


async def _set_aside(run_name: str) -> list[str]:
    current = _session.current()
    run = {"project": current.project, "domain": current.domain, "run": run_name}
    plane = await current.control_plane()
    try:
        told = await plane.own("ActionService", "SetAside", run)
    except errors.UnionRpcError as error:
        if error.code == "unimplemented":  # another backend
            return []
        raise
    return [explained.left_alone(entry) for entry in told["set_aside"]]


def _ask(method: str, **fields: Any) -> dict[str, Any]:
    return aio.background().wait(_answer(method, fields))


async def _answer(method: str, fields: dict[str, Any]) -> dict[str, Any]:
    plane = await _session.current().control_plane()
    return await plane.own("LimitsService", method, fields)
