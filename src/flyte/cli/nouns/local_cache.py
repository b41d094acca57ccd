"""`flyte delete local-cache`: cached results of local runs."""

import click

from flyte._runtime.caching import shelf
from flyte.cli import options
from flyte.cli.render import Table


@click.command("local-cache")
@options.pass_root
def delete_local_cache(root: options.RootOptions) -> None:
    """Forget the cached results of local runs.

    The next local run of a cached task executes it.  Results that a control plane keeps stay.
    """
    count = shelf.clear()
    told = Table(("",), [(f"{count} cached results of local runs are forgotten",)])
    root.show(told, {"deleted": count})
