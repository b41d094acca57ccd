"""The control plane as a replica sees it: registers, gives orders, takes reports; over real HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import uvicorn
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from tests.support import eventually

from flyte_protocol.worker.v1.worker_connect import WorkerServiceASGIApplication
from flyte_protocol.worker.v1.worker_pb2 import (
    Assignment,
    AttemptRef,
    Cancel,
    Drain,
    Ended,
    LeaseRequest,
    LeaseResponse,
    Order,
    RegisterRequest,
    RegisterResponse,
    ReportRequest,
    ReportResponse,
    Started,
)


@dataclass
class WorkerService:
    """What was said, and what is still to be said."""

    registered: list[RegisterRequest] = field(default_factory=list)
    leases: list[LeaseRequest] = field(default_factory=list)
    reports: list[ReportRequest] = field(default_factory=list)
    forget: list[AttemptRef] = field(default_factory=list)
    refusal: Code | None = None
    """What every call is answered with."""
    deaf: bool = False
    """Reports are refused, as if the commit failed."""
    beat_ms: int = 1000

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._orders: list[Order] = []
        self._session = ""
        self._news = asyncio.Event()

    # --- for tests

    def assign(self, assignment: Assignment) -> None:
        self._order(assign=assignment)

    def cancel(self, ref: AttemptRef, reason: str = "aborted") -> None:
        self._order(cancel=Cancel(attempt=ref, grace_ms=5000, reason=reason))

    def drain(self) -> None:
        self._order(drain=Drain())

    def restart(self) -> None:
        """Forget everybody, as a new control plane does."""
        self._session = ""
        self._orders.clear()
        self._numbers = count(1)
        self._news.set()

    def started(self) -> dict[str, Started]:
        return {told.attempt.action: told for report in self.reports for told in report.started}

    def ended(self) -> dict[str, Ended]:
        return {told.attempt.action: told for report in self.reports for told in report.ended}

    async def end_of(self, action: str, timeout_seconds: float = 30) -> Ended:
        await eventually(lambda: action in self.ended(), timeout_seconds=timeout_seconds)
        return self.ended()[action]

    def _order(self, **order: Any) -> None:
        self._orders.append(Order(number=next(self._numbers), **order))
        self._news.set()

    # --- the protocol

    async def register(self, request: RegisterRequest, _ctx: object) -> RegisterResponse:
        self._refuse()
        self.registered.append(request)
        self._session = f"s-{len(self.registered)}"
        return RegisterResponse(session=self._session, beat_ms=self.beat_ms, forget=self.forget)

    async def lease(self, request: LeaseRequest, _ctx: object) -> LeaseResponse:
        self._known(request.session)
        self.leases.append(request)
        try:
            async with asyncio.timeout(request.wait_ms / 1000):
                while not (fresh := [o for o in self._orders if o.number > request.after]):
                    self._news.clear()
                    await self._news.wait()
                    self._known(request.session)
        except TimeoutError:
            return LeaseResponse()
        return LeaseResponse(orders=fresh)

    async def report(self, request: ReportRequest, _ctx: object) -> ReportResponse:
        self._known(request.session)
        if self.deaf:
            raise ConnectError(Code.UNAVAILABLE, "the disk is full")
        self.reports.append(request)
        return ReportResponse()

    def _known(self, session: str) -> None:
        self._refuse()
        if session != self._session:
            raise ConnectError(Code.NOT_FOUND, "register again")

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise ConnectError(self.refusal, "no")


@asynccontextmanager
async def serving(service: WorkerService, port: int = 0) -> AsyncIterator[str]:
    """Its address."""
    listener = socket.create_server(("127.0.0.1", port))
    app: Any = WorkerServiceASGIApplication(service)
    config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    task = asyncio.create_task(server._serve([listener]))
    await eventually(lambda: server.started or task.done())
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
