"""`flyte build PATH [ENVIRONMENT]`: the images of environments, made before a run needs them."""

from dataclasses import replace
from typing import Any

import click

from flyte import _build
from flyte._options import CopyFiles
from flyte.cli import options, session
from flyte.cli.deploy import sources
from flyte.cli.deploy.sources import Wish
from flyte.cli.render import Table
from flyte.cli.run import building


@click.command("build")
@click.option(
    "--copy-style",
    type=click.Choice(["loaded_modules", "all", "none", "custom"]),
    default="loaded_modules",
    show_default=True,
    help="How tasks get their code; with `none` it is baked into images that ask for it.",
)
@options.scope_options
@sources.options
@options.pass_root
def build(
    root: options.RootOptions,
    copy_style: CopyFiles,
    project: str | None,
    domain: str | None,
    **wish: Any,
) -> None:
    """Build the images of a Python file's environments, of a folder's, or of one of them and all that it depends on.

    On this machine an image becomes a Python environment that uv makes; see `flyte get environment`.
    """
    # What is built twice is built once, so that a file without a name of an environment means all of it.
    wanted = Wish(**wish)
    found = sources.found(replace(wanted, all=wanted.all or not wanted.environment))
    session.connect(root, project=project, domain=domain, root_dir=found.root)
    with building.shown(root):
        made = _build.build_images(*found.environments, copy_style=copy_style).image_lookup
    root.show(Table(("environment", "image"), list(made.items())), made)
