"""Which of two executors takes an attempt, and that both are heard."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support import eventually
from tests.unit.flyte_server.executors.replica_stage import POOL, ReplicaStage
from tests.unit.flyte_server.executors.stage import Stage

from flyte_server.domain.events import Event, Failed, Lost, Started, Succeeded
from flyte_server.domain.records import AttemptKey
from flyte_server.executors.router import Router


@dataclass
class Both:
    router: Router
    processes: Stage
    replicas: ReplicaStage

    def events(self, attempt: AttemptKey) -> list[type[Event]]:
        found = [*self.processes.events, *self.replicas.events]
        return [type(event) for event in found if event.attempt == attempt]


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    home = tmp_path / "home"
    processes, replicas = Stage(home), ReplicaStage(home)
    router = Router(processes.executor(), replicas.executor())
    await router.start()
    replicas.play()
    yield Both(router, processes, replicas)
    await replicas.strike()
    await router.close()
    await processes.strike()


async def test_attempts_with_a_pool_go_to_replicas_the_others_to_processes(both: Both) -> None:
    alone = both.processes.spec("wait_for", both.processes.home / "end", name="alone")
    pooled = both.replicas.spec("pooled")
    await both.router.launch(alone)
    await both.router.launch(pooled)
    await eventually(lambda: both.events(alone.attempt) and both.events(pooled.attempt))
    assert set(await both.router.alive()) == {alone.attempt, pooled.attempt}
    workers = [e.worker for e in (*both.processes.events, *both.replicas.events)]  # type: ignore[union-attr]
    assert [worker[0] for worker in workers] == ["h", "w"]
    assert set(workers) <= set(await both.router.beating())
    assert await both.router.settled()
    for attempt in (alone.attempt, pooled.attempt):
        await both.router.kill(attempt, 5)
    await eventually(lambda: both.events(alone.attempt) == [Started, Failed])
    await eventually(lambda: both.events(pooled.attempt) == [Started, Failed])


async def test_a_pool_of_what_is_no_task_of_ours_gets_a_process(both: Both) -> None:
    spec = replace(both.processes.spec("write", name="b", command=("true",)), pool=POOL)
    await both.router.launch(spec)
    await eventually(lambda: Succeeded in both.events(spec.attempt))
    assert both.replicas.records() == []


async def test_what_nobody_holds_is_lost_once(both: Both) -> None:
    unknown = AttemptKey(1, "unknown", 1, f"{both.processes.token}-unknown")
    await both.router.kill(unknown, 0)
    await eventually(lambda: both.events(unknown) == [Lost])
    assert await both.router.alive() == ()
