"""TriggerStateService: when triggers tick next, what became of their last run, and what keeps them from running."""

from collections.abc import Mapping
from typing import Any

from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.domain.schedules.records import Trigger
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids, times
from flyte_server.store import actions, runs
from flyte_server.store.catalogue import triggers
from flyte_server.store.catalogue.triggers import TriggerQuery
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_MOST = 1000


class TriggerStateService:
    """Tells what the public protocol has no words for."""

    name = "TriggerStateService"

    def __init__(self, database: Database) -> None:
        self._database = database

    def methods(self) -> Mapping[str, Method]:
        return {"List": self.list}

    async def list(self, request: Request) -> Payload:
        """`{project, domain, task?} -> {triggers: [{task, name, catch_up, next_tick?, last_tick?, last_run?,
        last_phase?, error?, failures, retry_at?}]}`: a thousand at most, by task and name.

        Times are texts like `2026-01-02T03:04:05Z`; `error` says why the run of `next_tick` could not be started, and
        `retry_at` when it is tried again.
        """
        query = TriggerQuery(
            project=ids.name(request.text("project"), where="project"),
            domain=ids.name(request.text("domain"), where="domain"),
            task_name=request.text("task", "") or None,
            limit=_MOST,
        )
        return {"triggers": await self._database.read(_states, query)}


def _states(connection: Connection, query: TriggerQuery) -> list[dict[str, Any]]:
    return [_state(connection, trigger) for trigger in triggers.listing(connection, query)]


def _state(connection: Connection, trigger: Trigger) -> dict[str, Any]:
    failing = bool(trigger.error)
    return {
        "task": trigger.task_name,
        "name": trigger.name,
        "catch_up": trigger.catch_up.value,
        "next_tick": _text(trigger.next_tick if trigger.active else None),
        "last_tick": _text(trigger.triggered_at),
        "last_run": trigger.last_run or None,
        "last_phase": _phase(connection, trigger),
        "error": trigger.error or None,
        "failures": trigger.failures,
        "retry_at": _text(trigger.due_at if failing else None),
    }


def _phase(connection: Connection, trigger: Trigger) -> str | None:
    """How far its last run is; None: it has none, or it was removed."""
    if not trigger.last_run:
        return None
    run = runs.load(connection, trigger.project, trigger.domain, trigger.last_run)
    root = None if run is None else actions.load(connection, run.id, ROOT_ACTION)
    return None if root is None else root.phase.value


def _text(moment: int | None) -> str | None:
    return None if moment is None else times.rfc3339(moment)
