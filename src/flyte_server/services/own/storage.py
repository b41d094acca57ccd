"""StorageService: what is occupied, what goes next, and removing a run by hand."""

from collections.abc import Mapping

from flyte_server.engine.retention.loop import Outlook, Retention
from flyte_server.environments.keeper import Environments
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids, times
from flyte_server.store.retention import KeptRun

_LARGEST = 10
_MOST_LARGEST = 1000


class StorageService:
    """Tells what is kept."""

    name = "StorageService"

    def __init__(self, retention: Retention, environments: Environments) -> None:
        self._retention = retention
        self._environments = environments

    def methods(self) -> Mapping[str, Method]:
        return {"Describe": self.describe, "DeleteRun": self.delete_run}

    async def describe(self, request: Request) -> Payload:
        """`{largest?} -> {categories, counted, limit, excess, days, disk, free, next?, largest, …}`.

        `categories` are bytes by name; `limit` and `days` are 0 where there is none; sizes of runs that go on are of
        the last look: a moment ago, of very many files up to an hour.
        """
        largest = min(request.number("largest", _LARGEST), _MOST_LARGEST)
        outlook = await self._retention.outlook(largest=largest)
        environments = await self._environments.all()
        return _payload(outlook, sum(each.bytes for each in environments))

    async def delete_run(self, request: Request) -> Payload:
        """`{project, domain, run} -> {}`: nobody finds the run any more; its files go within the next minutes.

        Raises:
            NotFound: there is no such run.
            Conflict: it has not ended, or another run needs its results.
        """
        await self._retention.delete(
            ids.name(request.text("project"), where="project"),
            ids.name(request.text("domain"), where="domain"),
            ids.name(request.text("run"), where="run"),
        )
        return {}


def _payload(outlook: Outlook, environments: int) -> Payload:
    figures = outlook.figures
    payload: dict[str, object] = {
        "categories": {
            "database": figures.database,
            "run data": figures.data,
            "logs": figures.logs,
            "uploads": figures.uploads,
            "work": figures.work,
            "environments": environments,
            "database copies": figures.backups,
            "local runs": figures.local_runs,
            "local cache": figures.local_cache,
        },
        "cached": figures.cached,
        "runs": figures.runs,
        "counted": figures.counted,
        "limit": outlook.most_bytes,
        "excess": outlook.excess,
        "days": outlook.limits.days,
        "disk": figures.disk,
        "free": figures.free,
        "largest": [_run(run) for run in outlook.largest],
    }
    if outlook.paused_until is not None:
        payload["paused_until"] = times.rfc3339(outlook.paused_until)
    if outlook.next_run is not None:
        payload["next"] = _run(outlook.next_run)
    if outlook.next_at is not None:
        payload["next_at"] = times.rfc3339(outlook.next_at)
    return payload


def _run(run: KeptRun) -> dict[str, object]:
    return {
        "project": run.project,
        "domain": run.domain,
        "run": run.name,
        "bytes": run.occupies,
        "ended_at": times.rfc3339(run.ended_at) if run.ended_at is not None else "",
    }
