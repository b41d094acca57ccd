"""`flyte get project` and `flyte create project`: what runs and tasks belong to."""

import click

from flyte.cli import options, session, tables
from flyte.remote import Project


@click.command("project")
@click.argument("name", required=False)
@click.option("--archived", is_flag=True, help="Archived projects instead of active ones.")
@options.pass_root
def get_project(root: options.RootOptions, name: str | None, archived: bool) -> None:
    """List projects, or show one."""
    session.connect(root)
    projects = [Project.get(name)] if name else list(Project.listall(archived=archived))
    root.show(tables.projects(projects), [project.to_dict() for project in projects])


@click.command("project")
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
