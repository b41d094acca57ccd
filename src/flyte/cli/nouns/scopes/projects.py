"""`flyte get|create|update project`: what runs and tasks belong to."""

import click

from flyte.cli import options, session, tables
from flyte.cli.render import Table
from flyte.remote import Project


@click.command("project")
@click.argument("name", required=False)
@click.option("--archived", is_flag=True, help="Archived projects instead of active ones.")
@click.option(
    "--filter",
    "filters",
    help="Only projects that fulfil this: eq(name,x), contains(description,y); several joined by +.",
)
@options.sort_option
@options.limit_option
@options.pass_root
def get_project(
    root: options.RootOptions,
    name: str | None,
    archived: bool,
    filters: str | None,
    sort_by: options.SortBy | None,
    limit: int,
) -> None:
    """List projects, or show one."""
    session.connect(root)
    if name:
        found = Project.get(name)
        root.show(tables.project(found), found.to_dict())
        return
    listed = Project.listall(filters=filters, sort_by=sort_by, archived=archived)
    projects = options.first(listed, limit)
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
    made = Project.create(project_id, name, description, dict(labels) or None)
    root.show(Table(("",), [(f"project {project_id} was made",)]), made.to_dict())


@click.command("project")
@click.argument("id")
@click.option("--name", help="Name for people.")
@click.option("--description", help="What it is for.")
@click.option(
    "-l",
    "--label",
    multiple=True,
    type=options.KeyValue(),
    help="KEY=VALUE; takes the place of all labels; may be given several times.",
)
@click.option(
    "--archive/--unarchive",
    default=None,
    help="Let it take in nothing new, and hide it from listings; or the reverse.",
)
@options.pass_root
def update_project(
    root: options.RootOptions,
    id: str,  # noqa: A002 - the name of the argument, as the official command has it
    name: str | None,
    description: str | None,
    label: tuple[tuple[str, str], ...],
    archive: bool | None,
) -> None:
    """Change a project: its name, description or labels, and whether it takes in new runs.

    Runs of an archived project go on and stay readable; new ones are refused.
    """
    if (name, description, archive) == (None, None, None) and not label:
        raise click.UsageError(
            "nothing to change; give --name, --description, --label or --archive"
        )
    session.connect(root)
    changed = Project.update(
        id,
        name=name,
        description=description,
        labels=dict(label) or None,
        state=None if archive is None else "archived" if archive else "active",
    )
    root.show(tables.project(changed), changed.to_dict())
