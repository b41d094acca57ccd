"""RecoveryService: what a run would take over from an earlier one, before it starts."""

from collections.abc import Mapping

from flyte_server.engine.recovery import Recoveries
from flyte_server.services.directory import Directory
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.recovery import plans
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import RunName


class RecoveryService:
    """Plans recoveries; starts nothing."""

    name = "RecoveryService"

    def __init__(self, directory: Directory, recoveries: Recoveries) -> None:
        self._directory = directory
        self._recoveries = recoveries

    def methods(self) -> Mapping[str, Method]:
        return {"Plan": self.plan}

    async def plan(self, request: Request) -> Payload:
        """`{project, domain, run, forced?, changed?} -> {run, steps, missing}`.

        `forced` names actions that are executed although they succeeded; `changed` says that the root gets other
        inputs.  Each step is `{action, parent, task, group, kind, phase, decision, why}`, where `decision` is `reuse`,
        `execute`, or `covered` (it belongs to a call that is reused).

        Raises:
            NotFound: there is no such run.
            Conflict: it has not ended.
            Invalid: a forced action does not exist.
        """
        run = RunName(
            ids.name(request.text("project"), where="project"),
            ids.name(request.text("domain"), where="domain"),
            ids.name(request.text("run"), where="run"),
        )
        forced = request.texts("forced") if "forced" in request.fields else []
        changed = bool(request.fields.get("changed", False))
        facts = await self._directory.by_name(run)
        found = await self._recoveries.plan(facts.run, forced, changed=changed)
        return plans.document(run.name, found)
