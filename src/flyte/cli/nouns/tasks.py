"""`flyte get task`: what is deployed."""

from typing import Any

import click
from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2

from flyte.cli import options, session
from flyte.cli.render import Table, moment
from flyte.cli.run import names
from flyte.cli.run.values import hint_name
from flyte.remote import Task, TaskDetails
from flyte.remote._tasks.handles import TaskVersion

_NONE = "no task is deployed here; deploy some with: flyte deploy FILE"


@click.command("task")
@click.argument("name", required=False, shell_complete=names.deployed)
@click.argument("version", required=False)
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most."
)
@click.option("--entrypoint", is_flag=True, help="Only main tasks, which people start.")
@click.option("--env", "environment", help="Only tasks of this environment.")
@options.scope_options
@options.pass_root
def get_task(
    root: options.RootOptions, name: str | None, version: str | None, **chosen: Any
) -> None:
    """List deployed tasks, the versions of one, or show one version.

    \b
    flyte get task                        each task with its last version
    flyte get task models.train           the versions of a task
    flyte get task models.train 1f0c…     everything about one version
    """
    session.connect(root, project=chosen["project"], domain=chosen["domain"])
    if name and version:
        details = Task.get(name, version=version).fetch()
        root.show(Table(("", ""), _facts(details)), details.to_dict())
        return
    if name:
        versions = list(TaskVersion.listall(name, limit=chosen["limit"]))
        if not versions:
            Task.get(name, auto_version="latest").fetch()  # says what there is instead
        _show_versions(root, versions)
        return
    tasks = list(
        Task.listall(
            by_task_env=chosen["environment"],
            limit=chosen["limit"],
            entrypoint=True if chosen["entrypoint"] else None,
        )
    )
    rows = [
        (each.name, each.version, each.environment, moment(each.deployed_at), each.deployed_by)
        for each in tasks
    ]
    columns = ("task", "version", "environment", "deployed", "by")
    root.show(Table(columns, rows, _NONE), [each.to_dict() for each in tasks])


def _show_versions(root: options.RootOptions, versions: list[TaskVersion]) -> None:
    rows = [(each.version, moment(each.deployed_at), each.deployed_by) for each in versions]
    documents = [
        {
            "name": each.name,
            "version": each.version,
            "deployed_at": each.deployed_at,
            "deployed_by": each.deployed_by,
        }
        for each in versions
    ]
    root.show(Table(("version", "deployed", "by"), rows, _NONE), documents)


def _facts(details: TaskDetails) -> list[tuple[str, str]]:
    described = Task(_listed(details))
    rows = [
        ("task", details.name),
        ("version", details.version),
        ("environment", described.environment),
        ("description", details.pb2.spec.documentation.short_description),
        ("type", details.task_type),
        ("deployed", moment(described.deployed_at)),
        ("deployed by", described.deployed_by),
        *_inputs(details),
        *((f"output {name}", hint_name(hint)) for name, hint in details.interface.outputs.items()),
        ("requests", _amounts(details.resources[0])),
        ("limits", _amounts(details.resources[1])),
        ("retries", str(details.pb2.spec.task_template.metadata.retries.retries or "")),
        ("cache", _cache(details)),
        ("secrets", ", ".join(details.secrets)),
        ("image", details.pb2.spec.task_template.container.image),
        ("code", details.pb2.spec.task_template.metadata.code_bundle_uri),
    ]
    return [(heading, text) for heading, text in rows if text]


def _listed(details: TaskDetails) -> task_definition_pb2.Task:
    pb2 = details.pb2
    return task_definition_pb2.Task(task_id=pb2.task_id, metadata=pb2.metadata)


def _inputs(details: TaskDetails) -> list[tuple[str, str]]:
    required = set(details.required_args)
    return [
        (f"input {name}", hint_name(hint) + ("" if name in required else " (has a default)"))
        for name, hint in details.interface.get_input_types().items()
    ]


def _amounts(entries: list[tasks_pb2.Resources.ResourceEntry]) -> str:
    known = tasks_pb2.Resources.ResourceName
    return ", ".join(f"{known.Name(each.name).lower()} {each.value}" for each in entries)


def _cache(details: TaskDetails) -> str:
    cache = details.cache
    return f"version {cache.version_override}" if cache.is_enabled() else ""
