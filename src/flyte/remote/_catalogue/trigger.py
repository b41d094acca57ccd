"""Handles of triggers: what starts deployed tasks by itself."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flyteidl2.common import identifier_pb2, list_pb2
from flyteidl2.task import common_pb2, task_definition_pb2, task_service_pb2
from flyteidl2.trigger import trigger_definition_pb2, trigger_service_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session, errors
from flyte._client import ControlPlane
from flyte._ids import random_run_name
from flyte._trigger import Trigger as Word
from flyte._wire import interfaces
from flyte._wire.triggers import messages
from flyte.remote import _listing
from flyte.remote._common import ToJSONMixin, named
from flyte.remote._listing import ListRequest, SortBy
from flyte.remote._run import Run
from flyte.syncify import syncify

_LIST = "list triggers with: flyte get trigger"
_BY_TASK: SortBy = ("task_name", "asc")


@dataclass
class TriggerDetails(ToJSONMixin):
    """Everything about a trigger: what it gives to its task, who deployed it, when it ticked last."""

    pb2: trigger_definition_pb2.TriggerDetails

    @syncify
    @classmethod
    async def get(cls, *, name: str, task_name: str) -> "TriggerDetails":
        """A trigger of a task of the session's project.

        Args:
            name: the trigger's.
            task_name: `environment.function`.

        Raises:
            ActionNotFoundError: there is no such trigger.
        """
        request = trigger_service_pb2.GetTriggerDetailsRequest(name=_name(name, task_name))
        plane = await _session.current().control_plane()
        with named(f"trigger {name!r} of task {task_name!r}", _LIST):
            response = await plane.triggers.get_trigger_details(request)
        return cls(response.trigger)

    @property
    def id(self) -> identifier_pb2.TriggerIdentifier:
        """Its name and revision."""
        return self.pb2.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.pb2.id.name.name

    @property
    def task_name(self) -> str:
        """The full name of its task."""
        return self.pb2.id.name.task_name

    @property
    def automation_spec(self) -> common_pb2.TriggerAutomationSpec:
        """What starts it."""
        return self.pb2.automation_spec

    @property
    def metadata(self) -> trigger_definition_pb2.TriggerMetadata:
        """Who deployed and changed it."""
        return self.pb2.metadata

    @property
    def status(self) -> trigger_definition_pb2.TriggerStatus:
        """When it was deployed and changed, and its last tick."""
        return self.pb2.status

    @property
    def is_active(self) -> bool:
        """Whether it ticks."""
        return self.pb2.spec.active

    @cached_property
    def trigger(self) -> trigger_definition_pb2.Trigger:
        """It as a listing has it."""
        return trigger_definition_pb2.Trigger(
            id=self.pb2.id,
            metadata=self.pb2.metadata,
            status=self.pb2.status,
            active=self.pb2.spec.active,
            automation_spec=self.pb2.automation_spec,
        )


@dataclass
class Trigger(ToJSONMixin):
    """A trigger that was deployed.

    Example:
        >>> nightly = flyte.Trigger("nightly", flyte.Cron("0 3 * * *", "Europe/Berlin"))
        >>> flyte.remote.Trigger.create(nightly, "reports.daily")
        >>> flyte.remote.Trigger.update("nightly", "reports.daily", active=False)
    """

    pb2: trigger_definition_pb2.Trigger
    details: TriggerDetails | None = None

    @syncify
    @classmethod
    async def create(
        cls, trigger: Word, task_name: str, task_version: str | None = None
    ) -> "Trigger":
        """Deploy a trigger for a task that is deployed; one of that name gets another revision.

        Args:
            trigger: the word (`flyte.Trigger`).
            task_name: `environment.function`.
            task_version: the version that it runs; None: the one that was deployed last.

        Returns:
            It as it is now.

        Raises:
            ActionNotFoundError: there is no such task or version.
            TaskInputError: it gives a value to an input that the task does not have.
            UnionRpcError: the control plane refuses, with what to write.
        """
        plane = await _session.current().control_plane()
        version = task_version or await _last_version(plane, task_name)
        spec = await _task(plane, task_name, version)
        native = interfaces.native(spec.task_template.interface, spec.default_inputs)
        made = await messages.message(trigger, native)
        request = messages.deployment(_name(trigger.name, task_name), made, version)
        details = TriggerDetails((await plane.triggers.deploy_trigger(request)).trigger)
        return cls(details.trigger, details)

    @syncify
    @classmethod
    async def get(cls, *, name: str, task_name: str) -> TriggerDetails:
        """Everything about a trigger of a task of the session's project.

        Args:
            name: the trigger's.
            task_name: `environment.function`.

        Raises:
            ActionNotFoundError: there is no such trigger.
        """
        return await TriggerDetails.get.aio(name=name, task_name=task_name)

    @syncify
    @classmethod
    async def listall(
        cls, task_name: str | None = None, task_version: str | None = None, limit: int = 100
    ) -> AsyncIterator["Trigger"]:
        """Triggers of the session's project, by task and name.

        Args:
            task_name: only those of this task.
            task_version: only those that run this version of it.
            limit: how many at most.

        Raises:
            DefinitionError: a version without a task.
        """
        if task_version is not None and task_name is None:
            raise errors.DefinitionError("task_version is of a task: give task_name, too")
        scope = _scope(task_name, task_version)
        plane = await _session.current().control_plane()

        async def page(request: ListRequest) -> tuple[list[Trigger], str]:
            asked = trigger_service_pb2.ListTriggersRequest(request=request, **scope)
            response = await plane.triggers.list_triggers(asked)
            return [cls(each) for each in response.triggers], response.token

        found = _listing.items(page, (), sort_by=_BY_TASK, limit=limit)
        async with contextlib.aclosing(found):  # pyright: ignore[reportArgumentType]
            async for trigger in found:
                yield trigger

    @syncify
    @classmethod
    async def update(cls, name: str, task_name: str, active: bool) -> None:
        """Let a trigger tick, or not.

        Args:
            name: the trigger's.
            task_name: `environment.function`.
            active: whether it ticks from now on.

        Raises:
            ActionNotFoundError: there is no such trigger.
        """
        request = trigger_service_pb2.UpdateTriggersRequest(
            names=[_name(name, task_name)], active=active
        )
        plane = await _session.current().control_plane()
        with named(f"trigger {name!r} of task {task_name!r}", _LIST):
            await plane.triggers.update_triggers(request)

    @syncify
    @classmethod
    async def delete(
        cls, name: str, task_name: str, project: str | None = None, domain: str | None = None
    ) -> None:
        """Delete a trigger; its runs stay.

        Args:
            name: the trigger's.
            task_name: `environment.function`.
            project: of the task (default: the session's).
            domain: of the task (default: the session's).

        Raises:
            ActionNotFoundError: there is no such trigger.
        """
        request = trigger_service_pb2.DeleteTriggersRequest(
            names=[_name(name, task_name, project, domain)]
        )
        plane = await _session.current().control_plane()
        with named(f"trigger {name!r} of task {task_name!r}", _LIST):
            await plane.triggers.delete_triggers(request)

    @syncify
    @classmethod
    async def start(cls, name: str, task_name: str) -> Run:
        """Start the run of a trigger now, whether it is active or not; its ticks come as before.

        What `flyte.TriggerTime` stands for is the present moment.

        Args:
            name: the trigger's.
            task_name: `environment.function`.

        Returns:
            The run.

        Raises:
            ActionNotFoundError: there is no such trigger.
        """
        plane = await _session.current().control_plane()
        run = identifier_pb2.RunIdentifier(
            org=_session.current().org or "",
            project=_session.current_project(),
            domain=_session.current_domain(),
            name=random_run_name(),
        )
        request = run_service_pb2.CreateRunRequest(
            run_id=run,
            trigger_name=_name(name, task_name),
            source=run_definition_pb2.RUN_SOURCE_CLI,
        )
        with named(f"trigger {name!r} of task {task_name!r}", _LIST):
            return Run((await plane.runs.create_run(request)).run)

    async def get_details(self) -> TriggerDetails:
        """Everything about it; asked for once."""
        if self.details is None:
            self.details = await TriggerDetails.get.aio(name=self.name, task_name=self.task_name)
        return self.details

    @property
    def id(self) -> identifier_pb2.TriggerIdentifier:
        """Its name and revision."""
        return self.pb2.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.pb2.id.name.name

    @property
    def task_name(self) -> str:
        """The full name of its task."""
        return self.pb2.id.name.task_name

    @property
    def automation_spec(self) -> common_pb2.TriggerAutomationSpec:
        """What starts it."""
        return self.pb2.automation_spec

    @property
    def is_active(self) -> bool:
        """Whether it ticks."""
        return self.pb2.active

    @property
    def url(self) -> str:
        """Address of the trigger's page in the console."""
        of = self.pb2.id.name
        base = _session.current().base_url
        place = f"{base}/v2/domain/{of.domain}/project/{of.project}"
        return f"{place}/triggers/{of.task_name}/{of.name}"


def _name(
    name: str, task_name: str, project: str | None = None, domain: str | None = None
) -> identifier_pb2.TriggerName:
    return identifier_pb2.TriggerName(
        org=_session.current().org or "",
        project=project or _session.current_project(),
        domain=domain or _session.current_domain(),
        name=name,
        task_name=task_name,
    )


def _scope(task_name: str | None, version: str | None) -> dict[str, Any]:
    project, domain = _session.current_project(), _session.current_domain()
    org = _session.current().org or ""
    if task_name is None:
        return {
            "project_id": identifier_pb2.ProjectIdentifier(
                organization=org, domain=domain, name=project
            )
        }
    of = {"org": org, "project": project, "domain": domain, "name": task_name}
    if version is None:
        return {"task_name": task_definition_pb2.TaskName(**of)}
    return {"task_id": task_definition_pb2.TaskIdentifier(**of, version=version)}


async def _last_version(plane: ControlPlane, task_name: str) -> str:
    request = task_service_pb2.ListVersionsRequest(
        request=list_pb2.ListRequest(
            limit=1,
            sort_by_fields=[list_pb2.Sort(key="created_at", direction=list_pb2.Sort.DESCENDING)],
        ),
        task_name=_scope(task_name, None)["task_name"],
    )
    found = (await plane.tasks.list_versions(request)).versions
    if not found:
        raise errors.ActionNotFoundError(
            f"task {task_name!r} is not deployed in {_session.current_project()}/{_session.current_domain()}; deploy it"
            " with: flyte deploy FILE"
        )
    return found[0].version


async def _task(plane: ControlPlane, name: str, version: str) -> task_definition_pb2.TaskSpec:
    request = task_service_pb2.GetTaskDetailsRequest(task_id=_scope(name, version)["task_id"])
    with named(f"version {version!r} of task {name!r}", f"list them with: flyte get task {name}"):
        return (await plane.tasks.get_task_details(request)).details.spec
