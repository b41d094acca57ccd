"""The worker protocol over real HTTP: a test says what a replica would say, the replica's process only waits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.core import tasks_pb2
from flyteidl2.workflow import run_service_pb2
from google.protobuf import duration_pb2
from pyqwest import Client, HTTPTransport
from tests.fakes import messages
from tests.integration.services.conftest import Plane, serving, write
from tests.support import eventually
from tests.unit.flyte_server.executors.replica_stage import NOW_US, WAITS
from tests.unit.flyte_server.executors.stage import gone

from flyte_protocol.worker.v1 import worker_pb2
from flyte_protocol.worker.v1.worker_connect import WorkerServiceClient
from flyte_server.app import Execution
from flyte_server.executors.replicas import records
from flyte_server.executors.replicas.executor import ReplicaExecutor
from flyte_server.executors.replicas.options import Options
from flyte_server.executors.replicas.records import ReplicaRecord
from flyte_server.settings import Settings


def make(settings: Settings, report: object, verdicts: object, clock: object, engine: object) -> Execution:  # fmt: skip
    replicas = ReplicaExecutor(
        settings.home,
        report,  # pyright: ignore[reportArgumentType]
        clock,  # pyright: ignore[reportArgumentType]
        base_env={},
        options=Options(settings.endpoint, words=WAITS, lease_seconds=2, answer_seconds=0.2),
        room=engine,  # pyright: ignore[reportArgumentType]
    )
    return Execution(replicas, replicas.desk)


@dataclass
class Replica:
    """What a replica says."""

    client: WorkerServiceClient
    record: ReplicaRecord
    session: str = ""
    after: int = 0
    assigned: dict[str, worker_pb2.Assignment] = field(default_factory=dict)
    cancelled: list[worker_pb2.Cancel] = field(default_factory=list)

    async def register(self, *held: worker_pb2.AttemptRef) -> worker_pb2.RegisterResponse:
        answer = await self.client.register(
            worker_pb2.RegisterRequest(
                worker=self.record.replica_id,
                pool=self.record.pool_key,
                protocol=1,
                held=held,
                pid=self.record.pid,
            )
        )
        self.session, self.after = answer.session, 0
        return answer

    async def hear(self, wait_ms: int = 1000) -> int:
        """One lease; gives how many orders came."""
        answer = await self.client.lease(
            worker_pb2.LeaseRequest(
                worker=self.record.replica_id,
                session=self.session,
                after=self.after,
                free=1,
                wait_ms=wait_ms,
            )
        )
        for order in answer.orders:
            self.after = order.number
            if order.HasField("assign"):
                self.assigned[order.assign.attempt.action] = order.assign
            elif order.HasField("cancel"):
                self.cancelled.append(order.cancel)
        return len(answer.orders)

    async def report(self, *ended: worker_pb2.Ended) -> None:
        await self.client.report(
            worker_pb2.ReportRequest(
                worker=self.record.replica_id, session=self.session, ended=ended
            )
        )

    def ended(self, name: str, **fields: object) -> worker_pb2.Ended:
        attempt = self.assigned[name].attempt
        return worker_pb2.Ended(attempt=attempt, at=NOW_US + 1, started_at=NOW_US, **fields)  # pyright: ignore[reportArgumentType]


@dataclass
class Scene:
    """A control plane with a pool, and a way to its worker service."""

    plane: Plane
    client: WorkerServiceClient

    async def run(self, name: str = "r1", *, concurrency: int = 2, retries: int = 0) -> None:
        spec = messages.spec(retries=retries)
        spec.task_template.reuse_policy.CopyFrom(
            tasks_pb2.ReusePolicy(
                max_replicas=1,
                concurrency=concurrency,
                idle_ttl=duration_pb2.Duration(seconds=60),
                scaledown_ttl=duration_pb2.Duration(seconds=60),
            )
        )
        await self.plane.runs.create_run(messages.create(name, task_spec=spec))

    async def replica(self) -> Replica:
        home = self.plane.settings.home
        record = await eventually(lambda: next(records.found(home), None))
        replica = Replica(self.client, record)
        await replica.register()
        return replica

    async def phase(self, run: str = "r1") -> int:
        request = run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id(run))
        answer = await self.plane.runs.get_run_details(request)
        return answer.details.action.status.phase

    async def succeeded(self, run: str = "r1") -> bool:
        return await self.phase(run) == messages.SUCCEEDED


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = Settings(
        home=tmp_path / "home", port=0, cgroups="off", system_retries=0, auth="none"
    )
    async with serving(settings, make=make) as plane, HTTPTransport() as transport:
        client = WorkerServiceClient(plane.endpoint, http_client=Client(transport))
        yield Scene(plane, client)
        left = list(records.found(settings.home))
    for record in left:
        if not gone(record.pid):
            psutil.Process(record.pid).kill()


async def test_an_action_of_a_reusable_environment_goes_to_a_replica(scene: Scene) -> None:
    await scene.run()
    replica = await scene.replica()
    assert await replica.hear() == 1
    work = replica.assigned["a0"]
    assert work.attempt.number == 1
    assert work.env["FLYTE_ATTEMPT_TOKEN"] == work.attempt.token
    assert work.env["ACTION_NAME"] == "a0"
    assert "VIRTUAL_ENV" not in work.env, "the replica was started with it"
    write(f"{work.output_prefix}/outputs.pb", messages.outputs(o0=7).SerializeToString())
    await replica.report(replica.ended("a0"))
    assert await scene.succeeded(), "the answer comes after the commit"


async def test_one_answer_has_all_orders_and_one_report_all_ends(scene: Scene) -> None:
    await scene.run("first", concurrency=8)
    replica = await scene.replica()
    for name in ("second", "third", "fourth"):
        await scene.run(name, concurrency=8)
    seen: list[str] = []

    async def heard_all() -> bool:
        await replica.hear(100)
        seen.extend(replica.assigned)
        return replica.after == 4

    await eventually(heard_all)
    assert await replica.hear(0) == 0


async def test_who_waits_is_answered_as_soon_as_there_is_something(scene: Scene) -> None:
    await scene.run("first")
    replica = await scene.replica()
    await replica.hear()
    waiting = asyncio.create_task(replica.hear(60_000))
    await scene.run("second")
    assert await waiting == 1


async def test_more_than_the_pool_takes_stays_queued(scene: Scene) -> None:
    for name in ("first", "second"):
        await scene.run(name, concurrency=1)
    replica = await scene.replica()
    await replica.hear()
    assert await replica.hear(200) == 0
    phases = sorted([await scene.phase("first"), await scene.phase("second")])
    assert phases[0] == messages.QUEUED
    await replica.report(replica.ended("a0"))
    assert await replica.hear() == 1


async def test_a_failure_and_the_usage_come_over(scene: Scene) -> None:
    await scene.run()
    replica = await scene.replica()
    await replica.hear()
    failure = worker_pb2.Failure(
        code="ValueError", message="no such thing", blame=worker_pb2.Failure.BLAME_USER
    )
    usage = worker_pb2.Usage(peak_memory=1 << 20, cpu_seconds=0.5)
    await replica.report(replica.ended("a0", failure=failure, usage=usage))
    request = run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id())
    details = (await scene.plane.runs.get_run_details(request)).details
    assert details.action.error_info.message == "no such thing"
    assert details.action.status.attempts == 1


async def test_a_report_may_be_repeated(scene: Scene) -> None:
    await scene.run()
    replica = await scene.replica()
    await replica.hear()
    ended = replica.ended("a0")
    await replica.report(ended)
    await replica.report(ended)
    assert await scene.succeeded()


async def test_a_call_with_another_session_is_not_found(scene: Scene) -> None:
    await scene.run()
    replica = await scene.replica()
    replica.session = "of an earlier control plane"
    with pytest.raises(ConnectError) as refused:
        await replica.hear()
    assert refused.value.code == Code.NOT_FOUND
    with pytest.raises(ConnectError) as refused:
        await replica.report()
    assert refused.value.code == Code.NOT_FOUND
    await replica.register()
    assert await replica.hear() == 1


async def test_a_stranger_should_end(scene: Scene) -> None:
    with pytest.raises(ConnectError) as refused:
        await scene.client.register(worker_pb2.RegisterRequest(worker="w-1", pool="p", protocol=1))
    assert refused.value.code == Code.FAILED_PRECONDITION
    assert "should end" in refused.value.message


async def test_an_abort_is_a_cancellation_and_then_the_end_of_the_replica(scene: Scene) -> None:
    await scene.run()
    replica = await scene.replica()
    await replica.hear()
    await scene.plane.runs.abort_run(run_service_pb2.AbortRunRequest(run_id=messages.run_id()))
    await eventually(lambda: replica.hear(100))
    [cancel] = replica.cancelled
    assert cancel.attempt == replica.assigned["a0"].attempt
    assert cancel.grace_ms == 10_000
    await replica.report(
        replica.ended("a0", failure=worker_pb2.Failure(code="Interrupted", message="cancelled"))
    )

    async def aborted() -> bool:
        return await scene.phase() == messages.ABORTED

    await eventually(aborted)
    assert not gone(replica.record.pid), "it obeyed"
