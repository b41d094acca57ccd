"""The earlier run that a new one recovers, and what it can take over from there."""

from flyteidl2.task import common_pb2, run_pb2

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.errors import Conflict, Invalid, NotFound
from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.domain.records import Action, Recovery
from flyte_server.engine.recovery import Recoveries
from flyte_server.services.directory import Directory
from flyte_server.services.recovery import plans
from flyte_server.services.wire import identities, relations
from flyte_server.services.wire.ids import ProjectName


class Sources:
    """Reads out of a CreateRun what its run takes over, and makes sure that it is there."""

    def __init__(self, directory: Directory, blobs: LocalBlobs, recoveries: Recoveries) -> None:
        self._directory = directory
        self._blobs = blobs
        self._recoveries = recoveries

    async def recovery(
        self, spec: run_pb2.RunSpec, project: ProjectName, task: str, input_uri: str
    ) -> Recovery | None:
        """What a new run takes over; None if it recovers nothing.

        Args:
            spec: the new run's.
            project: where it runs.
            task: full name of its task.
            input_uri: file of its inputs.

        Raises:
            NotFound: there is no such earlier run.
            Invalid: the earlier run was one of another task, or a forced action does not exist.
            Conflict: the earlier run has not ended, or outputs that are to be reused are gone.
        """
        name = relations.recovers(spec, project)
        if name is None:
            return None
        facts = await self._directory.by_name(name)
        source = facts.run
        root = await self._directory.current(facts, ROOT_ACTION)
        if root.task_name != task:
            raise Invalid(
                f"Run {source.name} ran {root.task_name}, so {task} cannot recover it; start {task} as a new run."
            )
        changed = await self._is_changed(root, input_uri)
        forced = spec.recover.force_rerun_actions
        plan = await self._recoveries.plan(source, forced, changed=changed)
        if plan.missing:
            raise Conflict(plans.missing(source.name, plan))
        return Recovery(source.id, tuple(sorted(plan.executed)))

    async def _is_changed(self, root: Action, input_uri: str) -> bool:
        """Whether the new run has other inputs than the earlier one."""
        if root.input_uri == input_uri:
            return False
        before, now = await self._identity(root.input_uri), await self._identity(input_uri)
        return before is None or before != now

    async def _identity(self, uri: str) -> str | None:
        try:
            content = await self._blobs.read(uri)
        except NotFound:
            return None
        return identities.input_hash(common_pb2.Inputs.FromString(content), ())
