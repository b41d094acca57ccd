"""`flyte deploy PATH [ENVIRONMENT]`: tasks become known to a control plane, with their code."""

from typing import Any

import click

from flyte import _deploy
from flyte._deployment import Deployment
from flyte._options import CopyFiles
from flyte.cli import options, session
from flyte.cli.deploy import sources
from flyte.cli.deploy.sources import Wish
from flyte.cli.render import Table
from flyte.cli.run import building

_STATES = {"planned": "would be deployed", "unchanged": "is there already"}


@click.command("deploy")
@options.scope_options
@click.option("--version", help="Version of the tasks; else a hash of all that is deployed.")
@click.option(
    *("--dry-run", "--dryrun"), is_flag=True, help="Say what would be deployed; send nothing."
)
@click.option(
    "--copy-style",
    type=click.Choice(["loaded_modules", "all", "none", "custom"]),
    default="loaded_modules",
    show_default=True,
    help="Which files go along; custom: those that environments name with include.",
)
@click.option("--no-sync-local-sys-paths", is_flag=True, help="Keep this sys.path from the tasks.")
@click.option("--image", "images", multiple=True, help="A name for an existing image, NAME=URI.")
@sources.options
@options.pass_root
def deploy(
    root: options.RootOptions,
    project: str | None,
    domain: str | None,
    version: str | None,
    dry_run: bool,
    copy_style: CopyFiles,
    no_sync_local_sys_paths: bool,
    images: tuple[str, ...],
    **wish: Any,
) -> None:
    """Deploy the environments of a Python file or a folder, with all that they depend on.

    Deployed tasks are started by name, by other tasks and by triggers; editing the file does not change them.
    The same content gets the same version, and is deployed once.

    \b
    flyte deploy models.py training       one environment, and what it depends on
    flyte deploy --all models.py          all environments of the file
    flyte deploy --recursive src          all environments of all files below a folder
    """
    if copy_style == "none" and not version:
        raise click.UsageError(
            "--copy-style none sends no code to make a version of; add --version"
        )
    found = sources.found(Wish(**wish))
    session.connect(
        root,
        project=project,
        domain=domain,
        root_dir=found.root,
        images=images,
        sync_local_sys_paths=not no_sync_local_sys_paths,
    )
    with building.shown(root):
        deployments = _deploy.deploy(
            *found.environments, dry_run=dry_run, version=version, copy_style=copy_style
        )
    _show(root, deployments, dry_run=dry_run)


def _show(root: options.RootOptions, deployments: list[Deployment], *, dry_run: bool) -> None:
    tasks = {
        task.name: (env, task)
        for deployment in deployments
        for env in deployment.envs.values()
        for task in env.deployed_entities
    }
    rows = [
        (task.name, task.version, _STATES.get(task.state, task.state), ", ".join(task.triggers))
        for _, task in tasks.values()
    ]
    documents = [
        {
            "name": task.name,
            "environment": env.name,
            "version": task.version,
            "state": task.state,
            "triggers": list(task.triggers),
        }
        for env, task in tasks.values()
    ]
    has_triggers = any(task.triggers for _, task in tasks.values())
    columns = ("task", "version", "state", "triggers")
    shown = 4 if has_triggers else 3
    root.show(Table(columns[:shown], [row[:shown] for row in rows]), documents)
    if not (dry_run or root.as_json or root.quiet):
        click.echo(f"run one with: flyte run deployed-task {rows[0][0]}", err=True)
