"""CacheService: why an action took an earlier result, or was executed."""

from collections.abc import Mapping

from flyte_server.services.caching.explanations import Explanations
from flyte_server.services.directory import Directory
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import ActionName, RunName


class CacheService:
    """Explains what the cache did."""

    name = "CacheService"

    def __init__(self, directory: Directory, explanations: Explanations) -> None:
        self._directory = directory
        self._explanations = explanations

    def methods(self) -> Mapping[str, Method]:
        return {"Explain": self.explain}

    async def explain(self, request: Request) -> Payload:
        """`{project, domain, run, action?} -> {decision, source?, age_seconds?, changed?, detail?}`.

        `decision` is one of `hit`, `first_time`, `changed`, `expired`, `damaged`, `overwritten`, `concurrent`,
        `waiting`, `off`; `source` is `run/action` of the other call.

        Raises:
            NotFound: there is no such run or action.
        """
        run = RunName(
            ids.name(request.text("project"), where="project"),
            ids.name(request.text("domain"), where="domain"),
            ids.name(request.text("run"), where="run"),
        )
        name = ids.name(request.text("action", "a0"), where="action")
        facts, action = await self._directory.action(ActionName(run, name))
        return await self._explanations.of(facts, action)
