"""`flyte whoami`."""

import click

from flyte.cli import options, session
from flyte.cli.render import Table
from flyte.remote import User


@click.command()
@options.pass_root
def whoami(root: options.RootOptions) -> None:
    """Show who the control plane takes you for."""
    session.connect(root)
    user = User.get()
    table = Table(("name", "subject"), [(user.name(), user.subject())])
    root.show(table, user.to_dict())
