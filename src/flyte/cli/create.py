"""`flyte create config`, `flyte create project` and `flyte create secret`."""

import json
from pathlib import Path
from typing import Any

import click

from flyte.cli import options, secrets, session
from flyte.remote import Project


@click.group()
def create() -> None:
    """Make a configuration file, a project or a secret."""


@create.command("config")
@click.option("--endpoint", default="local", show_default=True, help="Control plane to use.")
@click.option("--insecure", is_flag=True, help="Talk plain HTTP to the endpoint.")
@click.option("--org", help="Organisation to act for.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".flyte/config.yaml"),
    show_default=True,
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
@click.option("--builder", "--image-builder", "builder", help="Who builds container images.")
@options.scope_options
def create_config(output: Path, force: bool, **chosen: Any) -> None:
    """Write a configuration file."""
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists; pass --force to overwrite it")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_yaml(chosen))
    click.echo(f"wrote {output}")


def _yaml(chosen: dict[str, Any]) -> str:
    """The chosen values in their sections (JSON strings are YAML strings: no writer is needed)."""
    sections = {
        "admin": {"endpoint": chosen["endpoint"], "insecure": chosen["insecure"] or None},
        "task": {name: chosen[name] for name in ("org", "project", "domain")},
        "image": {"builder": chosen["builder"]},
    }
    lines: list[str] = []
    for section, entries in sections.items():
        given = {name: value for name, value in entries.items() if value is not None}
        if given:
            lines.append(f"{section}:")
            lines.extend(f"  {name}: {json.dumps(value)}" for name, value in given.items())
    return "\n".join(lines) + "\n"


@create.command("project")
@click.option("--id", "project_id", required=True, help="Short name, as in addresses.")
@click.option("--name", required=True, help="Name for people.")
@click.option("--description", default="", help="What it is for.")
@click.option("-l", "--label", "labels", multiple=True, type=options.KeyValue(), help="KEY=VALUE.")
@options.pass_root
def create_project(
    root: options.RootOptions,
    project_id: str,
    name: str,
    description: str,
    labels: tuple[tuple[str, str], ...],
) -> None:
    """Make a project."""
    session.connect(root)
    Project.create(project_id, name, description, dict(labels) or None)
    click.echo(f"project {project_id} was made")


create.add_command(secrets.create_secret)
