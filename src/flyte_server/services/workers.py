"""WorkerService: how processes that stay and lease attempts talk to the control plane."""

from collections.abc import Mapping
from typing import Any

from connectrpc.request import RequestContext

from flyte_protocol.worker.v1 import worker_connect, worker_pb2
from flyte_server.domain.events import Failed, Succeeded
from flyte_server.domain.needs import Usage
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import (
    Assign,
    Cancel,
    Drain,
    Happened,
    Newcomer,
    Order,
    Workers,
)

Context = RequestContext[Any, Any]

_BLAMES = {
    worker_pb2.Failure.BLAME_USER: Blame.USER,
    worker_pb2.Failure.BLAME_SYSTEM: Blame.SYSTEM,
}


class WorkerService(worker_connect.WorkerService):
    """Decodes, makes one call of the port, encodes."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def register(
        self, request: worker_pb2.RegisterRequest, ctx: Context
    ) -> worker_pb2.RegisterResponse:
        welcome = await self._workers.register(
            Newcomer(
                worker=request.worker,
                pool=request.pool,
                protocol=request.protocol,
                held=[_key(ref) for ref in request.held],
            )
        )
        return worker_pb2.RegisterResponse(
            session=welcome.session,
            beat_ms=_milliseconds(welcome.beat_seconds),
            forget=[_ref(key) for key in welcome.forget],
        )

    async def lease(
        self, request: worker_pb2.LeaseRequest, ctx: Context
    ) -> worker_pb2.LeaseResponse:
        orders = await self._workers.lease(
            request.worker,
            request.session,
            after=request.after,
            wait_seconds=request.wait_ms / 1000,
        )
        return worker_pb2.LeaseResponse(orders=[_order(order) for order in orders])

    async def report(
        self, request: worker_pb2.ReportRequest, ctx: Context
    ) -> worker_pb2.ReportResponse:
        happened = Happened(
            started=[(_key(each.attempt), each.at) for each in request.started],
            ended=[_ended(each) for each in request.ended],
        )
        await self._workers.report(request.worker, request.session, happened)
        return worker_pb2.ReportResponse()


def _key(ref: worker_pb2.AttemptRef) -> AttemptKey:
    return AttemptKey(ref.run_id, ref.action, ref.number, ref.token)


def _ref(key: AttemptKey) -> worker_pb2.AttemptRef:
    return worker_pb2.AttemptRef(
        run_id=key.run_id, action=key.action, number=key.number, token=key.token
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _order(order: Order) -> worker_pb2.Order:
    match order.work:
        case Assign():
            return worker_pb2.Order(number=order.number, assign=_assignment(order.work))
        case Cancel():
            cancel = worker_pb2.Cancel(
                attempt=_ref(order.work.attempt),
                grace_ms=_milliseconds(order.work.grace_seconds),
                reason=order.work.reason,
            )
            return worker_pb2.Order(number=order.number, cancel=cancel)
        case Drain():
            return worker_pb2.Order(number=order.number, drain=worker_pb2.Drain())


def _bytes(values: Mapping[str, str]) -> dict[str, bytes]:
    """Values as the system has them: what is no UTF-8 was kept by Python's escapes."""
    return {name: value.encode("utf-8", "surrogateescape") for name, value in values.items()}


def _assignment(work: Assign) -> worker_pb2.Assignment:
    spec = work.spec
    return worker_pb2.Assignment(
        attempt=_ref(spec.attempt),
        args=spec.args,
        env=work.env,
        output_prefix=spec.output_prefix,
        log_path=spec.log_path,
        hidden_env=_bytes(spec.hidden.env),
        hidden_files=_bytes(spec.hidden.files),
    )


def _ended(message: worker_pb2.Ended) -> Succeeded | Failed:
    key, started_at = _key(message.attempt), message.started_at or None
    usage = _usage(message.usage) if message.HasField("usage") else None
    if not message.HasField("failure"):
        return Succeeded(key, message.at, started_at=started_at, usage=usage)
    failure = Failure(
        code=message.failure.code,
        message=message.failure.message,
        blame=_BLAMES.get(message.failure.blame, Blame.UNKNOWN),
        recoverable=message.failure.recoverable,
    )
    return Failed(key, failure, message.at, started_at=started_at, usage=usage)


def _usage(message: worker_pb2.Usage) -> Usage:
    return Usage(
        peak_memory=message.peak_memory,
        cpu_seconds=message.cpu_seconds,
        peak_gpu_memory=message.peak_gpu_memory,
    )
