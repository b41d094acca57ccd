"""`flyte get secret-key` and `flyte update secret-key`: the keys that seal secrets, and a new one."""

from typing import Any

import click

from flyte import _session
from flyte._kit import aio
from flyte.cli import options, session
from flyte.cli.render import Table


@click.command("secret-key")
@options.pass_root
def get_secret_key(root: options.RootOptions) -> None:
    """Show the keys that seal secrets, by their ids; what they are is told to nobody."""
    session.connect(root)
    keys = aio.background().wait(_asked("List", {}))["keys"]
    rows = [(key["id"], str(key["secrets"]), _state(key)) for key in keys]
    root.show(Table(("key", "secrets", ""), rows), keys)


@click.command("secret-key")
@click.option(
    "--forget-old",
    is_flag=True,
    help="Take the old keys away; copies of the database that were made before become unreadable.",
)
@options.pass_root
def update_secret_key(root: options.RootOptions, forget_old: bool) -> None:
    """Seal all secrets anew with a fresh key.

    The old keys stay in the key file, for copies of the database, unless --forget-old is given.  A rotation that was
    cut off goes on.
    """
    session.connect(root)
    told = aio.background().wait(_asked("Rotate", {"forget": forget_old}))
    begun = "a fresh key" if told["fresh"] else "the key of a rotation that was cut off"
    root.show(
        Table(("",), [(f"{told['sealed']} secrets are sealed with {begun}, {told['key']}",)]), told
    )
    for name in told["unreadable"]:
        click.echo(f"secret {name} cannot be opened, and was left as it is; set it anew", err=True)


async def _asked(method: str, payload: dict[str, Any]) -> dict[str, Any]:
    plane = await _session.current().control_plane()
    return await plane.own("SecretKeyService", method, payload)


def _state(key: dict[str, Any]) -> str:
    if key["missing"]:
        return "missing: its secrets cannot be opened; put the key file back"
    return "seals" if key["seals"] else "opens only"
