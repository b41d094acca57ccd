"""`flyte delete …`: what can be made again, or is no longer wanted."""

import click

from flyte._runtime.caching import shelf
from flyte.cli import options, secrets, storage
from flyte.cli.images import environments
from flyte.cli.limits import commands
from flyte.cli.render import Table


@click.group()
def delete() -> None:
    """Delete what is no longer wanted."""


@delete.command("local-cache")
@options.pass_root
def delete_local_cache(root: options.RootOptions) -> None:
    """Forget the cached results of local runs.

    The next local run of a cached task executes it.  Results that a control plane keeps stay.
    """
    count = shelf.clear()
    told = Table(("",), [(f"{count} cached results of local runs are forgotten",)])
    root.show(told, {"deleted": count})


delete.add_command(commands.delete_limit)
delete.add_command(secrets.delete_secret)
delete.add_command(storage.delete_run)
delete.add_command(environments.delete_environment)
