"""Errors of connectrpc as errors of `flyte.errors`, and cancellation as cancellation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from flyte import errors
from flyte._client import reasons


def translated(error: ConnectError, *, endpoint: str, method: str) -> BaseException:
    """The error to raise instead of `error`.

    connectrpc turns the cancellation of the awaiting task into an ordinary error.  Left so,
    `asyncio.timeout`, task groups and a cancelled `gather` would all go wrong, so the original
    `CancelledError` is given back.

    Args:
        error: what the generated client raised.
        endpoint: address of the control plane, for the message.
        method: `Service/Method`, for the message.

    Returns:
        `asyncio.CancelledError`, `errors.ResourceExhaustedError`, or `errors.UnionRpcError` whose
        `code` is the wire's own word (`not_found`, `already_exists`, `unavailable`, …).
    """
    if isinstance(error.__cause__, asyncio.CancelledError):
        return error.__cause__
    place = f"[{error.code.value}, {method} at {endpoint}]"
    if error.code is Code.RESOURCE_EXHAUSTED:
        return errors.ResourceExhaustedError(f"{error.message} {place}")
    if error.code is Code.UNAVAILABLE:
        return errors.ControlPlaneUnreachableError(
            error.code.value, f"{_sentence(error, endpoint)} {place}"
        )
    return errors.UnionRpcError(error.code.value, f"{_sentence(error, endpoint)} {place}")


def _sentence(error: ConnectError, endpoint: str) -> str:
    # connectrpc reports every failure of its HTTP client as UNAVAILABLE and keeps the failure as
    # the cause.
    if error.code is Code.UNAVAILABLE and error.__cause__ is not None:
        return f"cannot reach the control plane at {endpoint}: {reasons.reason(error.message, endpoint)}"
    if error.code is Code.UNAUTHENTICATED:
        return (
            error.message
            or "the control plane wants to know who asks; log in, or set FLYTE_API_KEY"
        )
    if error.code is Code.DEADLINE_EXCEEDED:
        return f"the control plane at {endpoint} did not answer in time"
    return error.message or "the control plane refused the request"


class Faults:
    """The outermost interceptor: only errors of `flyte.errors` and cancellations leave a client."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def intercept_unary(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], Awaitable[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> Any:
        try:
            return await call_next(request, ctx)
        except ConnectError as error:
            raise self._translated(error, ctx) from error

    async def intercept_server_stream(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], AsyncIterator[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> AsyncIterator[Any]:
        messages = call_next(request, ctx)
        try:
            async for message in messages:
                yield message
        except ConnectError as error:
            raise self._translated(error, ctx) from error
        finally:
            # A reader that stops early must not leave the connection to the garbage collector.
            close = getattr(messages, "aclose", None)
            if close is not None:
                await close()

    def _translated(self, error: ConnectError, ctx: RequestContext[Any, Any]) -> BaseException:
        method = ctx.method()
        name = f"{method.service_name.rpartition('.')[2]}/{method.name}"
        return translated(error, endpoint=self._endpoint, method=name)
