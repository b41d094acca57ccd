"""Why an action took an earlier result or did not: found out when somebody asks, from what is stored anyway."""

from dataclasses import dataclass
from typing import Any

from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2, task_definition_pb2

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.errors import NotFound
from flyte_server.domain.phases import CacheStatus, Kind
from flyte_server.domain.records import Action
from flyte_server.services.caching import differences
from flyte_server.services.caching.differences import Parts
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.wire import identities, specs
from flyte_server.services.wire.ids import AttemptName
from flyte_server.store import actions, cache
from flyte_server.store.catalogue import specs as stored
from flyte_server.store.database import Database

_COMPARED = 16
"""How many of the task's last results a miss is compared with."""

Explanation = dict[str, Any]
"""`decision`, and where they say something: `source`, `age_seconds`, `changed`, `detail`."""


@dataclass(frozen=True, slots=True)
class _Case:
    """An action with its specification."""

    facts: RunFacts
    action: Action
    template: tasks_pb2.TaskTemplate

    def age_seconds(self, maker: Action | None) -> float | None:
        """How old the result of another action was when this one looked for it."""
        if maker is None or maker.ended_at is None:
            return None
        return max(0.0, (self.action.created_at - maker.ended_at) / 1_000_000)


class Explanations:
    """Explains cache decisions, one at a time and on demand."""

    def __init__(self, database: Database, directory: Directory, blobs: LocalBlobs) -> None:
        self._database = database
        self._directory = directory
        self._blobs = blobs

    async def of(self, facts: RunFacts, action: Action) -> Explanation:
        """What the cache did for an action, and why; `off` without a detail when nobody asked for it."""
        if action.kind is not Kind.TASK:
            return _off("")
        case = _Case(facts, action, await self._template(action))
        if action.cache_status is CacheStatus.HIT:
            return await self._told(case, "hit")
        if action.cache_key is None:
            return _off(await self._why_off(case))
        if action.waits_for_turn:
            return await self._waiting(case)
        return await self._executed(case)

    async def _executed(self, case: _Case) -> Explanation:
        if case.facts.cache.overwrites:
            return {"decision": "overwritten", "detail": "the run overwrites the cache"}
        if specs.executes_always(case.template):
            return {"decision": "overwritten", "detail": "its cache behavior is override"}
        if case.action.cache_source is not None:
            return await self._stale(case)
        return await self._missed(case)

    async def _told(self, case: _Case, decision: str) -> Explanation:
        """A decision about the maker of the entry that was found."""
        source = case.action.cache_source or ""
        maker = await self._maker(case.facts, source)
        return _about(decision, source, case.age_seconds(maker))

    async def _waiting(self, case: _Case) -> Explanation:
        executing = await self._database.read(actions.executes, case.action.serial_key or "")
        if executing is None:
            return {"decision": "waiting"}
        run, own = (await self._directory.by_id(executing.run_id)).run, case.facts.run
        name = f"{run.name}/{executing.name}"
        if (run.project, run.domain) != (own.project, own.domain):
            name = f"{run.project}/{run.domain}/{name}"
        return {"decision": "waiting", "source": name}

    async def _stale(self, case: _Case) -> Explanation:
        told = await self._told(case, "damaged")
        oldest = case.action.policy.cache_max_age_seconds
        if oldest and told.get("age_seconds", oldest) >= oldest:
            told["decision"] = "expired"
        return told

    async def _missed(self, case: _Case) -> Explanation:
        facts, action = case.facts, case.action
        own = f"{facts.run.name}/{action.name}/"
        equal = await self._database.read(cache.load, facts.run, action.cache_key or "")
        if equal is not None and not equal.source.startswith(own):
            return _about("concurrent", equal.source, None)
        earlier = await self._database.read(
            cache.of_task, facts.run, action.task_name, until=action.created_at, limit=_COMPARED
        )
        new = await self._parts(case.template, action)
        compared: list[tuple[list[str], str]] = []
        for entry in earlier:
            maker = await self._maker(facts, entry.source)
            if maker is not None:
                old = await self._parts(await self._template(maker), maker)
                compared.append((differences.between(new, old), entry.source))
        if not compared:
            return {"decision": "first_time"}
        changed, source = min(compared, key=lambda pair: len(pair[0]))
        return {**_about("changed", source, None), "changed": changed}

    async def _why_off(self, case: _Case) -> str:
        problem = case.template.config.get(differences.PROBLEM, "")
        if problem or not case.template.metadata.discoverable:
            return problem
        ignored = case.template.metadata.cache_ignore_input_vars
        names = identities.without_identity(await self._inputs(case.action), ignored)
        if names:
            return f"nothing identifies its input {', '.join(names)} (a pickle)"
        return "its caller sent no key"

    async def _template(self, action: Action) -> tasks_pb2.TaskTemplate:
        body = await self._database.read(stored.load, action.spec_digest or "")
        return task_definition_pb2.TaskSpec.FromString(body).task_template

    async def _parts(self, template: tasks_pb2.TaskTemplate, action: Action) -> Parts:
        return Parts.of(template, await self._inputs(action))

    async def _inputs(self, action: Action) -> common_pb2.Inputs:
        try:
            return common_pb2.Inputs.FromString(await self._blobs.read(action.input_uri))
        except NotFound:
            return common_pb2.Inputs()

    async def _maker(self, facts: RunFacts, source: str) -> Action | None:
        """The action that made an entry; None if it is gone."""
        try:
            _, action = await self._directory.action(AttemptName.of_cache(source, facts.run).action)
        except NotFound:
            return None
        return action


def _about(decision: str, source: str, age_seconds: float | None) -> Explanation:
    told: Explanation = {"decision": decision, "source": source.rpartition("/")[0]}
    if age_seconds is not None:
        told["age_seconds"] = age_seconds
    return told


def _off(detail: str) -> Explanation:
    return {"decision": "off", "detail": detail}
