"""UsageService: what attempts have used, and over time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from flyte_server.blobs import timelines
from flyte_server.blobs.timelines import Sample
from flyte_server.domain.errors import NotFound
from flyte_server.domain.needs import Usage
from flyte_server.domain.records import Attempt
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.launch.specs import log_path
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import RunName
from flyte_server.settings import Settings
from flyte_server.store import actions
from flyte_server.store.database import Database


class UsageService:
    """Tells figures."""

    name = "UsageService"

    def __init__(self, settings: Settings, directory: Directory, database: Database) -> None:
        self._settings = settings
        self._directory = directory
        self._database = database

    def methods(self) -> Mapping[str, Method]:
        return {"Get": self.get}

    async def get(self, request: Request) -> Payload:
        """`{project, domain, run, action?, attempt?} -> {bounds, attempts, attempt, samples}`.

        `bounds` is `{cpu_milli, memory, disk, shm}`, 0 where there is none; `attempts` are `{number, phase,
        peak_memory, cpu_seconds, peak_gpu_memory}`, of one that runs as far as it was sampled.  `samples` are
        `[milliseconds since the epoch, bytes of memory, milliseconds of CPU time, bytes on accelerators]` of `attempt`
        (default: the last one), the oldest first; none if it took no longer than a second or two.

        Raises:
            NotFound: there is no such run, action or attempt.
        """
        run = RunName(
            ids.name(request.text("project"), where="project"),
            ids.name(request.text("domain"), where="domain"),
            ids.name(request.text("run"), where="run"),
        )
        facts = await self._directory.by_name(run)
        action = await self._directory.current(
            facts, ids.name(request.text("action", "a0"), where="action")
        )
        attempts = await self._database.read(actions.attempts, action.run_id, action.name)
        asked = request.number("attempt", action.attempt)
        if asked and asked not in {each.number for each in attempts}:
            raise NotFound(f"Action {action.name!r} has {len(attempts)} attempts, and no {asked}.")
        samples = await self._samples(facts, action.name, asked)
        return {
            "bounds": asdict(action.policy.bounds),
            "attempts": [
                _figures(each, samples if each.number == asked else ()) for each in attempts
            ],
            "attempt": asked,
            "samples": [
                [each.at_ms, each.memory, each.cpu_ms, each.gpu_memory] for each in samples
            ],
        }

    async def _samples(self, facts: RunFacts, action: str, attempt: int) -> list[Sample]:
        log = Path(log_path(self._settings, facts, action, attempt))
        return await asyncio.to_thread(timelines.read, timelines.path_beside(log))


def _figures(attempt: Attempt, samples: Sequence[Sample]) -> dict[str, object]:
    usage = attempt.usage or Usage(
        max((each.memory for each in samples), default=0),
        samples[-1].cpu_ms / 1000 if samples else 0.0,
        max((each.gpu_memory for each in samples), default=0),
    )
    return {"number": attempt.number, "phase": attempt.phase.value, **asdict(usage)}
