"""`flyte build FILE [ENVIRONMENT]`: the images of a file's environments, made before a run needs them."""

import click

from flyte import _build, errors
from flyte._environment import Environment
from flyte._options import CopyFiles
from flyte.cli import options, session
from flyte.cli.render import Table
from flyte.cli.run import building
from flyte.cli.run.script import Script, nearest


@click.command("build")
@click.option(
    "--copy-style",
    type=click.Choice(["loaded_modules", "all", "none"]),
    default="loaded_modules",
    show_default=True,
    help="How tasks get their code; with `none` it is baked into images that ask for it.",
)
@click.option("--root-dir", help="Where imports start; else the working directory.")
@options.scope_options
@click.argument("file")
@click.argument("environment", required=False)
@options.pass_root
def build(
    root: options.RootOptions,
    copy_style: CopyFiles,
    root_dir: str | None,
    project: str | None,
    domain: str | None,
    file: str,
    environment: str | None,
) -> None:
    """Build the images of a Python file's environments, or of one of them and all that it depends on.

    On this machine an image becomes a Python environment that uv makes; see `flyte get environment`.
    """
    try:
        script = Script.at(file, root_dir)
        found = _environments(script, environment)
    except errors.ModuleLoadError as error:
        raise click.UsageError(str(error)) from error
    session.connect(root, project=project, domain=domain, root_dir=script.root)
    with building.shown(root):
        made = _build.build_images(*found, copy_style=copy_style).image_lookup
    root.show(Table(("environment", "image"), list(made.items())), made)


def _environments(script: Script, name: str | None) -> list[Environment]:
    values = vars(script.load()).values()
    known = {value.name: value for value in values if isinstance(value, Environment)}
    if name is None:
        return list(known.values())
    if name not in known:
        there = ", ".join(known) or "none"
        raise click.UsageError(
            f"{script.path.name} has no environment {name!r}{nearest(name, known)} (it has: {there})"
        )
    return [known[name]]
