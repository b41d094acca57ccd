"""The clients, against a service in this process and against a socket that never answers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsService, ActionsServiceASGIApplication
from flyteidl2.actions.actions_service_pb2 import (
    AbortRequest,
    AbortResponse,
    EnqueueRequest,
    EnqueueResponse,
    WatchForUpdatesRequest,
    WatchForUpdatesResponse,
)
from flyteidl2.cluster.payload_pb2 import SelectClusterRequest
from flyteidl2.dataproxy.dataproxy_service_pb2 import CreateUploadLocationRequest
from flyteidl2.project.project_service_pb2 import ListProjectsRequest
from flyteidl2.task.task_service_pb2 import ListTasksRequest
from flyteidl2.workflow.run_logs_service_pb2 import TailLogsRequest
from flyteidl2.workflow.run_service_pb2 import GetRunDetailsRequest, WatchRunDetailsRequest
from pyqwest.testing import ASGITransport

from flyte import errors
from flyte._client import ControlPlane
from flyte._ids import ActionID
from flyte.config._access import Access

ENDPOINT = "http://127.0.0.1:8090"
CALLER = ActionID(name="a0", run_name="r1", project="p", domain="d")


class Answers(ActionsService):
    """An actions service that fails as often as it is told, and notes the headers it gets."""

    def __init__(self, *failures: ConnectError) -> None:
        self.failures = list(failures)
        self.headers: list[dict[str, str]] = []
        self.closed = asyncio.Event()

    async def enqueue(self, request: EnqueueRequest, ctx: Any) -> EnqueueResponse:
        self.headers.append(dict(ctx.request_headers().allitems()))
        if self.failures:
            raise self.failures.pop(0)
        return EnqueueResponse()

    async def abort(self, request: AbortRequest, ctx: Any) -> AbortResponse:
        await asyncio.Event().wait()
        return AbortResponse()

    async def watch_for_updates(
        self, request: WatchForUpdatesRequest, ctx: Any
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        self.headers.append(dict(ctx.request_headers().allitems()))
        try:
            response = WatchForUpdatesResponse()
            response.control_message.sentinel = True
            yield response
            if self.failures:
                raise self.failures.pop(0)
            await asyncio.Event().wait()
        finally:
            self.closed.set()


def plane_of(service: Answers, **options: Any) -> ControlPlane:
    return ControlPlane(ENDPOINT, ASGITransport(ActionsServiceASGIApplication(service)), **options)


@asynccontextmanager
async def silent_server(asked: asyncio.Event | None = None) -> AsyncIterator[str]:
    """A socket that accepts requests and never answers; `asked` is set when one has come."""
    gone = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if asked is not None:
            asked.set()
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


async def _first(stream: AsyncIterator[Any]) -> Any:
    return await anext(stream)


CALLS: dict[str, Callable[[ControlPlane], Awaitable[Any]]] = {
    "actions": lambda plane: plane.actions.enqueue(EnqueueRequest()),
    "actions with a time limit": lambda plane: plane.actions.enqueue(
        EnqueueRequest(), timeout_ms=60_000
    ),
    "actions, stream": lambda plane: _first(
        plane.actions.watch_for_updates(WatchForUpdatesRequest())
    ),
    "runs": lambda plane: plane.runs.get_run_details(GetRunDetailsRequest()),
    "runs, stream": lambda plane: _first(plane.runs.watch_run_details(WatchRunDetailsRequest())),
    "dataproxy": lambda plane: plane.dataproxy.create_upload_location(
        CreateUploadLocationRequest()
    ),
    "tasks": lambda plane: plane.tasks.list_tasks(ListTasksRequest()),
    "projects": lambda plane: plane.projects.list_projects(ListProjectsRequest()),
    "run_logs, stream": lambda plane: _first(plane.run_logs.tail_logs(TailLogsRequest())),
    "cluster": lambda plane: plane.cluster.select_cluster(SelectClusterRequest()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_cancellation_stays_cancellation(
    call: Callable[[ControlPlane], Awaitable[Any]],
) -> None:
    asked = asyncio.Event()
    async with silent_server(asked) as endpoint:
        plane = ControlPlane.connect(endpoint)
        task = asyncio.ensure_future(call(plane))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        await plane.aclose()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_time_limit_of_the_caller_is_a_timeout(
    call: Callable[[ControlPlane], Awaitable[Any]],
) -> None:
    async with silent_server() as endpoint:
        plane = ControlPlane.connect(endpoint)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await call(plane)
        await plane.aclose()


async def test_a_cancelled_gather_cancels_its_calls() -> None:
    plane = plane_of(Answers())
    task = asyncio.gather(*(plane.actions.abort(AbortRequest()) for _ in range(5)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_time_limit_is_an_error_of_ours() -> None:
    async with silent_server() as endpoint:
        plane = ControlPlane.connect(endpoint)
        with pytest.raises(errors.UnionRpcError, match="did not answer in time") as caught:
            await plane.actions.enqueue(EnqueueRequest(), timeout_ms=20)
        assert caught.value.code == "deadline_exceeded"
        await plane.aclose()


async def test_nobody_listening_names_the_endpoint_and_the_next_step() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
    plane = ControlPlane.connect(endpoint)
    with pytest.raises(errors.UnionRpcError) as caught:
        await plane.actions.enqueue(EnqueueRequest())
    assert caught.value.code == "unavailable"
    assert endpoint in str(caught.value)
    assert "flyte start server" in str(caught.value)
    await plane.aclose()


async def test_a_proxy_of_the_environment_does_not_catch_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with silent_server() as endpoint:
        plane = ControlPlane.connect(endpoint)
        with pytest.raises(errors.UnionRpcError) as caught:
            await plane.actions.enqueue(EnqueueRequest(), timeout_ms=50)
        assert caught.value.code == "deadline_exceeded", "it reached the server that never answers"
        await plane.aclose()


async def test_unavailable_is_tried_again() -> None:
    service = Answers(*(ConnectError(Code.UNAVAILABLE, "restarting") for _ in range(3)))
    await plane_of(service).actions.enqueue(EnqueueRequest())
    assert len(service.headers) == 4
    assert len({headers["x-request-id"] for headers in service.headers}) == 1, "one call, one id"


async def test_the_fourth_unavailable_is_the_answer() -> None:
    service = Answers(*(ConnectError(Code.UNAVAILABLE, "restarting") for _ in range(4)))
    with pytest.raises(errors.UnionRpcError, match="restarting"):
        await plane_of(service).actions.enqueue(EnqueueRequest())


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.NOT_FOUND, Code.ALREADY_EXISTS])
async def test_other_refusals_come_at_once_with_their_code(code: Code) -> None:
    service = Answers(ConnectError(code, "the reason"))
    with pytest.raises(errors.UnionRpcError, match="the reason") as caught:
        await plane_of(service).actions.enqueue(EnqueueRequest())
    assert caught.value.code == code.value
    assert "ActionsService/Enqueue" in str(caught.value)
    assert len(service.headers) == 1


async def test_back_pressure_has_a_class_of_its_own() -> None:
    service = Answers(ConnectError(Code.RESOURCE_EXHAUSTED, "queue is full"))
    with pytest.raises(errors.ResourceExhaustedError, match="queue is full"):
        await plane_of(service).actions.enqueue(EnqueueRequest())


async def test_a_cancellation_by_the_server_is_not_ours() -> None:
    service = Answers(ConnectError(Code.CANCELED, "shutting down"))
    with pytest.raises(errors.UnionRpcError) as caught:
        await plane_of(service).actions.enqueue(EnqueueRequest())
    assert caught.value.code == "canceled"


async def test_a_stream_breaks_with_an_error_of_ours() -> None:
    service = Answers(ConnectError(Code.UNAVAILABLE, "restarting"))
    stream = plane_of(service).actions.watch_for_updates(WatchForUpdatesRequest())
    assert (await anext(stream)).control_message.sentinel
    with pytest.raises(errors.UnionRpcError, match="restarting"):
        await anext(stream)


async def test_calls_of_an_action_say_whose_they_are() -> None:
    service = Answers()
    plane = plane_of(service, caller=CALLER, headers={"authorization": "Bearer t"})
    await plane.actions.enqueue(EnqueueRequest())
    await anext(plane.actions.watch_for_updates(WatchForUpdatesRequest()))
    for headers in service.headers:
        assert headers["x-request-id"].startswith("p-d-r1-a0-")
        assert headers["x-actions-parent-action"] == "a0"
        assert headers["x-actions-run"] == "r1"
        assert headers["authorization"] == "Bearer t"


async def test_small_messages_on_the_same_machine_are_not_compressed() -> None:
    service = Answers()
    await plane_of(service).actions.enqueue(EnqueueRequest())
    assert service.headers[0].get("content-encoding", "identity") == "identity"
    assert "gzip" not in service.headers[0].get("accept-encoding", "")


def test_connecting_starts_nothing() -> None:
    before = set(threading.enumerate())
    ControlPlane.connect(ENDPOINT)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize(
    ("endpoint", "insecure", "address"),
    [
        ("http://127.0.0.1:8090/", False, "http://127.0.0.1:8090"),
        ("127.0.0.1:8090", True, "http://127.0.0.1:8090"),
        ("dns:///flyte.example.com", False, "https://flyte.example.com"),
        ("dns:///flyte.example.com:81", True, "http://flyte.example.com:81"),
        ("https://flyte.example.com", True, "https://flyte.example.com"),
    ],
)
def test_every_form_of_an_endpoint_is_understood(
    endpoint: str, insecure: bool, address: str
) -> None:
    assert ControlPlane.connect(endpoint, insecure=insecure).endpoint == address


@pytest.mark.parametrize("endpoint", ["", "ftp://x", "http://"])
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(errors.ConfigError, match="is not an address"):
        ControlPlane.connect(endpoint)


def test_verification_cannot_be_switched_off() -> None:
    with pytest.raises(errors.ConfigError, match="ca_cert_file_path"):
        ControlPlane.connect(ENDPOINT, access=Access(insecure_skip_verify=True))
