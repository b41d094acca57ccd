"""Which runs an access key may still speak for, asked of the rows."""

from flyte_server.domain.errors import NotFound
from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.services.directory import Directory, RunFacts


class KnownRuns:
    """Implements `credentials.Runs`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def may_read(self, run_id: int, place: str) -> bool:
        """Whether there is such a run."""
        return await self._found(run_id, place) is not None

    async def may_write(self, run_id: int, place: str) -> bool:
        """Whether there is such a run that has not ended."""
        facts = await self._found(run_id, place)
        if facts is None:
            return False
        try:
            root = await self._directory.current(facts, ROOT_ACTION)
        except NotFound:
            return False
        return not root.phase.terminal

    async def _found(self, run_id: int, place: str) -> RunFacts | None:
        try:
            facts = await self._directory.by_id(run_id)
        except NotFound:
            return None
        run = facts.run
        return facts if f"{run.project}/{run.domain}/{run.name}" == place else None
