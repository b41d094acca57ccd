"""`flyte get environment` and `flyte delete environment`: what images have become on this machine."""

from datetime import datetime
from typing import Any

import click

from flyte import _session, errors
from flyte._kit import aio
from flyte.cli import options, session
from flyte.cli.render import Table, moment, size

_SERVICE = "EnvironmentService"


@click.command("environment")
@click.argument("name", required=False)
@options.pass_root
def get_environment(root: options.RootOptions, name: str | None) -> None:
    """List the Python environments of images, the one that was used last first; or show one with its packages."""
    session.connect(root)
    told = aio.background().wait(_asked("List", {}))
    if name:
        found = _named(told["environments"], name)
        root.show(Table(("entry", "value"), _details(found)), found)
        return
    rows = [_row(each) for each in told["environments"]]
    columns = ("name", "python", "packages", "size", "built", "last used", "used by")
    empty = "no image has become an environment yet; flyte run makes them, or: flyte build FILE"
    root.show(Table(columns, rows, empty), told)
    if rows and not root.as_json:
        limit = size(told["limit"]) if told["limit"] else "any amount"
        click.echo(f"{size(told['bytes'])} of {limit} (FLYTE_SERVER_ENVIRONMENTS_GB)", err=True)


@click.command("environment")
@click.argument("name", required=False)
@click.option("--unused", is_flag=True, help="All that no run uses which goes on.")
@options.pass_root
def delete_environment(root: options.RootOptions, name: str | None, unused: bool) -> None:
    """Delete a Python environment of an image; a task that wants it has it made again."""
    if bool(name) == unused:
        raise click.UsageError("name one environment, or write --unused for all that no run uses")
    session.connect(root)
    asked = {"unused": True} if unused else {"name": name}
    gone = aio.background().wait(_asked("Delete", asked))["deleted"]
    said = [(f"environment {each} is deleted",) for each in gone] or [("there is none",)]
    root.show(Table(("",), said), {"deleted": gone})


async def _asked(method: str, payload: dict[str, Any]) -> dict[str, Any]:
    plane = await _session.current().control_plane()
    return await plane.own(_SERVICE, method, payload)


def _named(environments: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found = [each for each in environments if each["name"].startswith(name.removeprefix("venv:"))]
    if len(found) != 1:
        known = ", ".join(each["name"] for each in environments) or "none"
        raise errors.ActionNotFoundError(
            f"there is no single environment {name!r} (known: {known})"
        )
    return found[0]


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        each["name"],
        each["python"],
        str(len(each["packages"])),
        size(each["bytes"]),
        _time(each["built_at"]),
        _time(each["used_at"]),
        ", ".join(each["runs"]),
    )


def _details(each: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("name", each["name"]),
        ("image", each["image"]),
        ("path", each["path"]),
        ("python", each["python"]),
        ("size", size(each["bytes"])),
        ("built", _time(each["built_at"])),
        ("last used", _time(each["used_at"])),
        ("used by", ", ".join(each["runs"]) or "no run that goes on"),
    ]
    rows += [(f"variable {name}", value) for name, value in each["variables"].items()]
    rows += [(f"package {name}", version) for name, version in each["packages"].items()]
    return rows


def _time(text: str) -> str:
    return moment(datetime.fromisoformat(text))
