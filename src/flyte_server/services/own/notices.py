"""NoticeService: what a run tells when it ends, to whom, and what became of it."""

from collections.abc import Mapping
from typing import Any

from flyte_server.services.directory import Directory
from flyte_server.services.notices import contents
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids, times
from flyte_server.services.wire.ids import RunName
from flyte_server.store import notices
from flyte_server.store.database import Database
from flyte_server.store.notices import Notice, NoticeState


class NoticeService:
    """Tells what the public protocol has no words for."""

    name = "NoticeService"

    def __init__(self, directory: Directory, database: Database) -> None:
        self._directory = directory
        self._database = database

    def methods(self) -> Mapping[str, Method]:
        return {"List": self.list}

    async def list(self, request: Request) -> Payload:
        """`{project, domain, run} -> {notices: [{number, to, phases, state, failures, error, next_at?, ended_at?}]}`.

        `state` is waiting, sent, failed or unwanted; `error` says why the last try failed, and `next_at` when it is
        tried again.
        """
        name = RunName(
            ids.name(request.text("project"), where="project"),
            ids.name(request.text("domain"), where="domain"),
            ids.name(request.text("run"), where="run"),
        )
        facts = await self._directory.by_name(name)
        found = await self._database.read(notices.of_run, facts.run.id)
        return {"notices": [_shown(each) for each in found]}


def _shown(notice: Notice) -> dict[str, Any]:
    is_tried_again = notice.state is NoticeState.WAITING and notice.failures > 0
    return {
        "number": notice.number,
        "to": contents.receiver(notice),
        "phases": [phase.value for phase in notice.phases],
        "state": notice.state.value,
        "failures": notice.failures,
        "error": notice.error or None,
        "next_at": times.rfc3339(notice.due_at) if is_tried_again else None,
        "ended_at": None if notice.ended_at is None else times.rfc3339(notice.ended_at),
    }
