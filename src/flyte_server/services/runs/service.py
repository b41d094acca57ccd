"""RunService: decode, one call, encode."""

import functools
from collections.abc import AsyncIterator
from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.common import identifier_pb2
from flyteidl2.workflow import run_service_connect, run_service_pb2

from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.domain.records import Action
from flyte_server.engine.engine import Engine
from flyte_server.services import listing
from flyte_server.services.access import callers
from flyte_server.services.conditions.answering import CHANNEL_HEADER, Answering, channel_of
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.runs import details, matching
from flyte_server.services.runs.creation import Creation
from flyte_server.services.runs.views import OneAction, RunActions, RunList
from flyte_server.services.watching import Watching
from flyte_server.services.wire import conditions, ids
from flyte_server.services.wire.actions import Views
from flyte_server.store import actions, runs
from flyte_server.store.actions import ActionQuery
from flyte_server.store.database import Database

Context = RequestContext[Any, Any]

_ABORT_REASON = "stopped by the user"
_WATCHED_RUNS = 100


class RunService(run_service_connect.RunService):
    """Create, stop, list and watch runs."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        directory: Directory,
        *,
        creation: Creation,
        details: details.Details,
        watching: Watching,
        views: Views,
        answering: Answering,
    ) -> None:
        self._answering = answering
        self._engine = engine
        self._database = database
        self._directory = directory
        self._creation = creation
        self._details = details
        self._watching = watching
        self._views = views

    async def create_run(
        self, request: run_service_pb2.CreateRunRequest, ctx: Context
    ) -> run_service_pb2.CreateRunResponse:
        by = callers.of(ctx.request_headers()).subject
        run, root = await self._creation.create(request, by)
        return run_service_pb2.CreateRunResponse(run=self._views.run(run, root))

    async def abort_run(
        self, request: run_service_pb2.AbortRunRequest, ctx: Context
    ) -> run_service_pb2.AbortRunResponse:
        facts = await self._directory.by_name(ids.run(request.run_id))
        await self._engine.abort_run(facts.run.id, request.reason or _ABORT_REASON)
        return run_service_pb2.AbortRunResponse()

    async def abort_action(
        self, request: run_service_pb2.AbortActionRequest, ctx: Context
    ) -> run_service_pb2.AbortActionResponse:
        key = await self._directory.key(ids.action(request.action_id))
        await self._engine.abort_action(key, request.reason or _ABORT_REASON)
        return run_service_pb2.AbortActionResponse()

    async def signal_event(
        self, request: run_service_pb2.SignalEventRequest, ctx: Context
    ) -> run_service_pb2.SignalEventResponse:
        headers = ctx.request_headers()
        await self._answering.answer(
            ids.action(request.action_id),
            conditions.of_payload(request.payload),
            caller=callers.of(headers),
            channel=channel_of(headers.get(CHANNEL_HEADER)),
            parent=request.parent_action_name,
        )
        return run_service_pb2.SignalEventResponse()

    async def get_run_details(
        self, request: run_service_pb2.GetRunDetailsRequest, ctx: Context
    ) -> run_service_pb2.GetRunDetailsResponse:
        facts = await self._directory.by_name(ids.run(request.run_id))
        root = await self._directory.current(facts, ROOT_ACTION)
        found = await self._details.run(facts, root)
        return run_service_pb2.GetRunDetailsResponse(details=found)

    def watch_run_details(
        self, request: run_service_pb2.WatchRunDetailsRequest, ctx: Context
    ) -> AsyncIterator[run_service_pb2.WatchRunDetailsResponse]:
        return self._watching.follow(functools.partial(self._run_details, request.run_id))

    async def _run_details(
        self, message: identifier_pb2.RunIdentifier
    ) -> OneAction[run_service_pb2.WatchRunDetailsResponse]:
        facts = await self._directory.by_name(ids.run(message))

        async def show(root: Action) -> run_service_pb2.WatchRunDetailsResponse:
            found = await self._details.run(facts, root)
            return run_service_pb2.WatchRunDetailsResponse(details=found)

        return self._one_action(facts, ROOT_ACTION, show)

    async def get_action_details(
        self, request: run_service_pb2.GetActionDetailsRequest, ctx: Context
    ) -> run_service_pb2.GetActionDetailsResponse:
        facts, action = await self._directory.action(ids.action(request.action_id))
        found = await self._details.action(facts, action)
        return run_service_pb2.GetActionDetailsResponse(details=found)

    def watch_action_details(
        self, request: run_service_pb2.WatchActionDetailsRequest, ctx: Context
    ) -> AsyncIterator[run_service_pb2.WatchActionDetailsResponse]:
        return self._watching.follow(functools.partial(self._action_details, request.action_id))

    async def _action_details(
        self, message: identifier_pb2.ActionIdentifier
    ) -> OneAction[run_service_pb2.WatchActionDetailsResponse]:
        name = ids.action(message)
        facts = await self._directory.by_name(name.run)

        async def show(action: Action) -> run_service_pb2.WatchActionDetailsResponse:
            found = await self._details.action(facts, action)
            return run_service_pb2.WatchActionDetailsResponse(details=found)

        return self._one_action(facts, name.name, show)

    async def get_action_data(
        self, request: run_service_pb2.GetActionDataRequest, ctx: Context
    ) -> run_service_pb2.GetActionDataResponse:
        _, action = await self._directory.action(ids.action(request.action_id))
        inputs, outputs = await self._details.data(action)
        return run_service_pb2.GetActionDataResponse(inputs=inputs, outputs=outputs)

    async def get_action_data_u_r_is(
        self, request: run_service_pb2.GetActionDataURIsRequest, ctx: Context
    ) -> run_service_pb2.GetActionDataURIsResponse:
        _, action = await self._directory.action(ids.action(request.action_id))
        return run_service_pb2.GetActionDataURIsResponse(
            inputs_uri=action.input_uri, outputs_uri=details.outputs_uri(action)
        )

    async def list_runs(
        self, request: run_service_pb2.ListRunsRequest, ctx: Context
    ) -> run_service_pb2.ListRunsResponse:
        page = listing.page(request.request)
        query = matching.run_query(request, page, local=self._views.local)
        query = matching.narrowed(query, callers.visible(ctx.request_headers()))
        rows, token = page.cut(await self._database.read(runs.listing, query))
        found = [self._views.run(run, root) for run, root in rows]
        return run_service_pb2.ListRunsResponse(runs=found, token=token)

    def watch_runs(
        self, request: run_service_pb2.WatchRunsRequest, ctx: Context
    ) -> AsyncIterator[run_service_pb2.WatchRunsResponse]:
        visible = callers.visible(ctx.request_headers())
        return self._watching.follow(functools.partial(self._runs, request, visible))

    async def _runs(
        self, request: run_service_pb2.WatchRunsRequest, visible: frozenset[str] | None
    ) -> RunList:
        query = matching.narrowed(matching.watch_query(request, limit=_WATCHED_RUNS), visible)
        return RunList(self._database, self._views, query)

    async def list_actions(
        self, request: run_service_pb2.ListActionsRequest, ctx: Context
    ) -> run_service_pb2.ListActionsResponse:
        facts = await self._directory.by_name(ids.run(request.run_id))
        page = listing.page(request.request)
        query = ActionQuery(
            filters=page.filters, sorts=page.sorts, limit=page.fetch, offset=page.offset
        )
        rows, token = page.cut(await self._database.read(actions.listing, facts.run.id, query))
        found = [self._views.action(facts.run, action) for action in rows]
        return run_service_pb2.ListActionsResponse(actions=found, token=token)

    def watch_actions(
        self, request: run_service_pb2.WatchActionsRequest, ctx: Context
    ) -> AsyncIterator[run_service_pb2.WatchActionsResponse]:
        return self._watching.follow(functools.partial(self._actions, request))

    async def _actions(self, request: run_service_pb2.WatchActionsRequest) -> RunActions:
        facts = await self._directory.by_name(ids.run(request.run_id))
        wanted = matching.ActionMatch(listing.filters(request.filter))
        return RunActions(self._database, self._views, facts.run, matches=wanted)

    def _one_action(self, facts: RunFacts, name: str, show: Any) -> OneAction[Any]:
        load = functools.partial(self._directory.current, facts, name)
        return OneAction(facts.run.id, load, show)
