"""A control plane on a real port, with an executor that does what the test says, and generated
clients."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvicorn
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.auth.identity_connect import IdentityServiceClient
from flyteidl2.cluster.service_connect import ClusterServiceClient
from flyteidl2.dataproxy.dataproxy_service_connect import DataProxyServiceClient
from flyteidl2.imagebuilder.service_connect import ImageServiceClient
from flyteidl2.project.project_service_connect import ProjectServiceClient
from flyteidl2.secret.secret_connect import SecretServiceClient
from flyteidl2.task.task_service_connect import TaskServiceClient
from flyteidl2.trigger.trigger_service_connect import TriggerServiceClient
from flyteidl2.workflow.queue_service_connect import QueueServiceClient
from flyteidl2.workflow.run_logs_service_connect import RunLogsServiceClient
from flyteidl2.workflow.run_service_connect import RunServiceClient
from flyteidl2.workflow.state_service_connect import StateServiceClient
from pyqwest import Client, HTTPTransport
from tests.fakes.executor import FakeExecutor
from tests.fakes.nvml import FakeNvml, Gpu
from tests.support import eventually

from flyte_server.__main__ import Server
from flyte_server.app import ControlPlane, Execution, MakeExecution, Outside, create_app
from flyte_server.clock import RealClock
from flyte_server.machine import accelerators
from flyte_server.machine.accelerators import Accelerator
from flyte_server.settings import Settings


def content(path: str | Path) -> bytes | None:
    """A file's content; None if there is no file."""
    file = Path(path)
    return file.read_bytes() if file.is_file() else None


def write(path: str | Path, data: bytes, *, append: bool = False) -> None:
    """Write a file and the directories above it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab" if append else "wb") as opened:
        opened.write(data)


@dataclass(frozen=True)
class Plane:
    """What tests talk to and pull at."""

    settings: Settings
    executor: FakeExecutor
    app: ControlPlane
    endpoint: str
    runs: RunServiceClient
    actions: ActionsServiceClient
    data: DataProxyServiceClient
    tasks: TaskServiceClient
    triggers: TriggerServiceClient
    projects: ProjectServiceClient
    secrets: SecretServiceClient
    logs: RunLogsServiceClient
    identity: IdentityServiceClient
    clusters: ClusterServiceClient
    images: ImageServiceClient
    queue: QueueServiceClient
    state: StateServiceClient


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, *gpus: Gpu, make: MakeExecution | None = None
) -> AsyncIterator[Plane]:
    """A control plane; `make` takes the place of the executor that does what the test says."""
    listener = socket.create_server((settings.host, settings.port))
    settings = replace(settings, port=listener.getsockname()[1], user="tester")
    executor = FakeExecutor(RealClock())

    def make_execution(_settings: object, report: object, *_rest: object) -> Execution:
        executor.report = report  # pyright: ignore[reportAttributeAccessIssue]
        return Execution(executor)

    def find(variables: Mapping[str, str]) -> Sequence[Accelerator]:
        return accelerators.find(variables, FakeNvml(*gpus))

    app = create_app(settings, Outside(RealClock(), make or make_execution, find))
    config = uvicorn.Config(
        app, http="httptools", lifespan="off", log_config=None, timeout_graceful_shutdown=2
    )
    server = Server(config, app, lambda: None)
    task = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started or task.done())
    try:
        async with HTTPTransport() as transport:
            yield _plane(settings, executor, app, Client(transport))
    finally:
        server.should_exit = True
        await task


def _plane(
    settings: Settings, executor: FakeExecutor, app: ControlPlane, http_client: Client
) -> Plane:
    at = settings.endpoint
    return Plane(
        settings=settings,
        executor=executor,
        app=app,
        endpoint=at,
        runs=RunServiceClient(at, http_client=http_client),
        actions=ActionsServiceClient(at, http_client=http_client),
        data=DataProxyServiceClient(at, http_client=http_client),
        tasks=TaskServiceClient(at, http_client=http_client),
        triggers=TriggerServiceClient(at, http_client=http_client),
        projects=ProjectServiceClient(at, http_client=http_client),
        secrets=SecretServiceClient(at, http_client=http_client),
        logs=RunLogsServiceClient(at, http_client=http_client),
        identity=IdentityServiceClient(at, http_client=http_client),
        clusters=ClusterServiceClient(at, http_client=http_client),
        images=ImageServiceClient(at, http_client=http_client),
        queue=QueueServiceClient(at, http_client=http_client),
        state=StateServiceClient(at, http_client=http_client),
    )


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """A control plane that asks nobody who they are; who may come in is tested in `access`."""
    async with serving(Settings(home=tmp_path / "home", port=0, auth="none")) as made:
        yield made
