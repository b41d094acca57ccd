"""Names on the wire: checked once here, because they become parts of paths.

`org` is not checked and not kept: one control plane serves one organisation, which answers as
`local`.
"""

import re
from typing import NamedTuple

from flyteidl2.common import identifier_pb2
from flyteidl2.task import task_definition_pb2

from flyte_server.domain.errors import Invalid
from flyte_server.domain.records import Run

ORG = "local"
_LONGEST_NAME = 63
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*")


class ProjectName(NamedTuple):
    """A project and a domain in it."""

    project: str
    domain: str


class RunName(NamedTuple):
    """A run's full name."""

    project: str
    domain: str
    name: str


class ActionName(NamedTuple):
    """An action's full name."""

    run: RunName
    name: str


class AttemptName(NamedTuple):
    """An attempt's full name."""

    action: ActionName
    number: int

    @classmethod
    def of_cache(cls, source: str, run: Run) -> "AttemptName":
        """Who made a cache entry (`Action.cache_source`), as the action of a run sees it."""
        *scope, run_name, action, number = source.split("/")
        project, domain = scope or (run.project, run.domain)
        return cls(ActionName(RunName(project, domain, run_name), action), int(number))


class TaskName(NamedTuple):
    """A deployed task's full name; `version` is empty where any will do."""

    project: str
    domain: str
    name: str
    version: str


def name(text: str, *, where: str) -> str:
    """A name that can be part of a path.

    Raises:
        Invalid: it is empty, too long or has other characters; `where` names the field.
    """
    if not text:
        raise Invalid(f"{where} is empty; send a name.")
    if len(text) > _LONGEST_NAME:
        raise Invalid(
            f"{where} {text!r} is longer than {_LONGEST_NAME} characters; choose a shorter name."
        )
    if not _NAME.fullmatch(text):
        raise Invalid(
            f"{where} {text!r} has characters that a name cannot have; use letters, digits, '-', "
            "'_' and '.', and start with a letter or digit."
        )
    return text


def project(message: identifier_pb2.ProjectIdentifier) -> ProjectName:
    """A project and domain, checked."""
    return ProjectName(
        name(message.name, where="project_id.name"), name(message.domain, where="project_id.domain")
    )


def run(message: identifier_pb2.RunIdentifier) -> RunName:
    """A run's name, checked."""
    return RunName(
        name(message.project, where="run.project"),
        name(message.domain, where="run.domain"),
        name(message.name, where="run.name"),
    )


def action(message: identifier_pb2.ActionIdentifier) -> ActionName:
    """An action's name, checked."""
    return ActionName(run(message.run), name(message.name, where="action_id.name"))


def task(message: task_definition_pb2.TaskIdentifier) -> TaskName:
    """A task's name: project and domain are checked, name and version are the user's business."""
    if not message.name:
        raise Invalid("task_id.name is empty; send 'environment.function'.")
    return TaskName(
        name(message.project, where="task_id.project"),
        name(message.domain, where="task_id.domain"),
        message.name,
        message.version,
    )


def run_id(of: Run) -> identifier_pb2.RunIdentifier:
    """A run's name as a message."""
    return identifier_pb2.RunIdentifier(org=ORG, project=of.project, domain=of.domain, name=of.name)


def action_id(of: Run, action_name: str) -> identifier_pb2.ActionIdentifier:
    """An action's name as a message."""
    return identifier_pb2.ActionIdentifier(run=run_id(of), name=action_name)


def task_id(of: TaskName) -> task_definition_pb2.TaskIdentifier:
    """A task's name as a message."""
    return task_definition_pb2.TaskIdentifier(
        org=ORG, project=of.project, domain=of.domain, name=of.name, version=of.version
    )


def recovered_from(source: str, run: Run) -> identifier_pb2.ActionIdentifier:
    """Whose outputs a recovered action has (`Action.recovered_from`), as the action of a run sees it."""
    *scope, run_name, action_name = source.split("/")
    project, domain = scope or (run.project, run.domain)
    found = identifier_pb2.RunIdentifier(org=ORG, project=project, domain=domain, name=run_name)
    return identifier_pb2.ActionIdentifier(run=found, name=action_name)
