"""Identities of projects, runs and actions as messages."""

from flyteidl2.common import identifier_pb2

from flyte._ids import ActionID


def run(action: ActionID) -> identifier_pb2.RunIdentifier:
    """The run that an action belongs to."""
    return identifier_pb2.RunIdentifier(
        org=action.org, project=action.project, domain=action.domain, name=action.run_name
    )


def action(action: ActionID) -> identifier_pb2.ActionIdentifier:
    """An action of a run."""
    return identifier_pb2.ActionIdentifier(run=run(action), name=action.name)


def action_id(message: identifier_pb2.ActionIdentifier) -> ActionID:
    """The identity that a message carries; empty parts become None."""
    return ActionID(
        name=message.name,
        run_name=message.run.name or None,
        project=message.run.project or None,
        domain=message.run.domain or None,
        org=message.run.org or None,
    )


def project(project: str, domain: str, org: str | None) -> identifier_pb2.ProjectIdentifier:
    """A project in a domain."""
    return identifier_pb2.ProjectIdentifier(organization=org, domain=domain, name=project)
