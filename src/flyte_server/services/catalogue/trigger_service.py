"""TriggerService: decode, one call, encode."""

from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.trigger import trigger_service_connect
from flyteidl2.trigger import trigger_service_pb2 as messages

from flyte_server.domain.errors import NotFound
from flyte_server.services import listing
from flyte_server.services.access import callers
from flyte_server.services.catalogue.tasks import TaskBook
from flyte_server.services.catalogue.triggers import TriggerBook, Wish
from flyte_server.services.wire import triggers
from flyte_server.services.wire.ids import TaskName
from flyte_server.store import filters
from flyte_server.store.catalogue import triggers as store
from flyte_server.store.catalogue.triggers import TriggerQuery
from flyte_server.store.database import Database

Context = RequestContext[Any, Any]

_LARGEST_REVISION = 2**63 - 1
"""What a database can count to; the wire goes further."""


class TriggerService(trigger_service_connect.TriggerService):
    """Deploy, read, change and delete triggers."""

    def __init__(self, database: Database, book: TriggerBook, tasks: TaskBook) -> None:
        self._database = database
        self._book = book
        self._tasks = tasks

    async def deploy_trigger(
        self, request: messages.DeployTriggerRequest, ctx: Context
    ) -> messages.DeployTriggerResponse:
        name = triggers.name(request.name)
        version = TaskName(name.project, name.domain, name.task, request.spec.task_version)
        task = await self._tasks.deployed(version)
        row = await self._book.deploy(
            Wish(
                name,
                request.spec,
                request.automation_spec,
                task.spec,
                callers.of(ctx.request_headers()),
                revision=request.revision,
            )
        )
        return messages.DeployTriggerResponse(trigger=triggers.details(row))

    async def get_trigger_details(
        self, request: messages.GetTriggerDetailsRequest, ctx: Context
    ) -> messages.GetTriggerDetailsResponse:
        row = await self._book.load(triggers.name(request.name))
        return messages.GetTriggerDetailsResponse(trigger=triggers.details(row))

    async def get_trigger_revision_details(
        self, request: messages.GetTriggerRevisionDetailsRequest, ctx: Context
    ) -> messages.GetTriggerRevisionDetailsResponse:
        name, number = triggers.name(request.id.name), request.id.revision
        known = number <= _LARGEST_REVISION
        found = await self._database.read(store.revision, name, number) if known else None
        if found is None:
            raise NotFound(
                f"Trigger {name.name!r} of task {name.task!r} has no revision {number}; its history lists those that"
                " it has."
            )
        return messages.GetTriggerRevisionDetailsResponse(trigger=triggers.details(found))

    async def list_triggers(
        self, request: messages.ListTriggersRequest, ctx: Context
    ) -> messages.ListTriggersResponse:
        page = listing.page(request.request)
        project, domain, task, version = _scope(request)
        only = filters.one_of("project", callers.visible(ctx.request_headers()))
        query = TriggerQuery(
            project=project or None,
            domain=domain or None,
            task_name=task or None,
            task_version=version or None,
            filters=(*page.filters, *only),
            sorts=page.sorts,
            limit=page.fetch,
            offset=page.offset,
        )
        rows, token = page.cut(await self._database.read(store.listing, query))
        return messages.ListTriggersResponse(
            triggers=[triggers.trigger(row) for row in rows], token=token
        )

    async def get_trigger_revision_history(
        self, request: messages.GetTriggerRevisionHistoryRequest, ctx: Context
    ) -> messages.GetTriggerRevisionHistoryResponse:
        page = listing.page(request.request)
        name = triggers.name(request.name)
        found = await self._database.read(store.history, name, limit=page.fetch, offset=page.offset)
        if not found and not page.offset:
            raise NotFound(f"Task {name.task!r} never had a trigger {name.name!r}.")
        rows, token = page.cut(found)
        return messages.GetTriggerRevisionHistoryResponse(
            triggers=[triggers.revision(row) for row in rows], token=token
        )

    async def update_triggers(
        self, request: messages.UpdateTriggersRequest, ctx: Context
    ) -> messages.UpdateTriggersResponse:
        names = [triggers.name(each) for each in request.names]
        by = callers.of(ctx.request_headers())
        await self._book.set_active(names, active=request.active, by=by)
        return messages.UpdateTriggersResponse()

    async def delete_triggers(
        self, request: messages.DeleteTriggersRequest, ctx: Context
    ) -> messages.DeleteTriggersResponse:
        names = [triggers.name(each) for each in request.names]
        await self._book.delete(names, callers.of(ctx.request_headers()))
        return messages.DeleteTriggersResponse()


def _scope(request: messages.ListTriggersRequest) -> tuple[str, str, str, str]:
    """Project, domain, task and version; empty: all of them."""
    match request.WhichOneof("scope_by"):
        case "project_id":
            return request.project_id.name, request.project_id.domain, "", ""
        case "task_name":
            of = request.task_name
            return of.project, of.domain, of.name, ""
        case "task_id":
            task = request.task_id
            return task.project, task.domain, task.name, task.version
        case _:
            return "", "", "", ""
