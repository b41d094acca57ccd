"""Runs by name and by number, with what their RunSpec says, decoded once.

What is remembered here never changes after a run was created; `Run.seq` does, so nobody may read it
from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flyteidl2.task import run_pb2

from flyte_server.domain.errors import NotFound
from flyte_server.domain.records import Action, ActionKey, Run
from flyte_server.services.recent import Recent
from flyte_server.services.wire import times
from flyte_server.services.wire.commands import CacheUse
from flyte_server.services.wire.ids import ActionName, RunName
from flyte_server.store import actions, runs
from flyte_server.store.database import Database

_REMEMBERED_RUNS = 1024


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run and what its actions inherit."""

    run: Run
    cache: CacheUse
    environment: Mapping[str, str]
    """Variables of all its tasks."""
    raw_data_prefix: str
    """Where tasks put raw data; empty: beside the action's metadata."""
    start_time: int
    """What `{{.runStartTime}}` means: the same for all actions and attempts."""


class Directory:
    """Finds runs and actions; refuses with a sentence if there is none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_name: Recent[RunName, RunFacts] = Recent(_REMEMBERED_RUNS)
        self._by_id: Recent[int, RunFacts] = Recent(_REMEMBERED_RUNS)

    async def by_name(self, name: RunName) -> RunFacts:
        """The run of a name.

        Raises:
            NotFound: there is none.
        """
        known = self._by_name.get(name)
        if known is not None:
            return known
        run = await self._database.read(runs.load, name.project, name.domain, name.name)
        if run is None:
            raise NotFound(
                f"There is no run {name.name!r} in project {name.project!r}, domain "
                f"{name.domain!r}; list the runs with 'flyte get run'."
            )
        return self._remember(run)

    async def by_id(self, run_id: int) -> RunFacts:
        """The run of a number.

        Raises:
            NotFound: there is none.
        """
        known = self._by_id.get(run_id)
        if known is not None:
            return known
        run = await self._database.read(runs.by_id, run_id)
        if run is None:
            raise NotFound(f"There is no run with number {run_id}; it was deleted.")
        return self._remember(run)

    async def action(self, name: ActionName) -> tuple[RunFacts, Action]:
        """An action as it is now, and its run.

        Raises:
            NotFound: there is no such run, or no such action in it.
        """
        facts = await self.by_name(name.run)
        return facts, await self.current(facts, name.name)

    async def current(self, facts: RunFacts, name: str) -> Action:
        """An action of a run as it is now.

        Raises:
            NotFound: there is no such action.
        """
        action = await self._database.read(actions.load, facts.run.id, name)
        if action is None:
            raise NotFound(
                f"There is no action {name!r} in run {facts.run.name!r}; list its actions with "
                f"'flyte get action {facts.run.name}'."
            )
        return action

    async def key(self, name: ActionName) -> ActionKey:
        """How the engine names an action (which need not exist)."""
        facts = await self.by_name(name.run)
        return ActionKey(facts.run.id, name.name)

    def forget(self, name: RunName, run_id: int) -> None:
        """The run was removed: its name may be that of another one now."""
        self._by_name.drop(name)
        self._by_id.drop(run_id)

    def _remember(self, run: Run) -> RunFacts:
        spec = run_pb2.RunSpec.FromString(run.spec)
        started = spec.HasField("run_start_time")
        facts = RunFacts(
            run=run,
            cache=CacheUse.of(spec),
            environment={pair.key: pair.value for pair in spec.envs.values},
            raw_data_prefix=spec.raw_data_storage.raw_data_prefix.rstrip("/"),
            start_time=times.micros(spec.run_start_time) if started else run.created_at,
        )
        self._by_name.put(RunName(run.project, run.domain, run.name), facts)
        return self._by_id.put(run.id, facts)
