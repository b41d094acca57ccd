"""The one place where refusals become Connect errors.

A client tries UNAVAILABLE and INTERNAL again, so a refusal that is final never gets one of these
codes.
"""

import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from google.protobuf.struct_pb2 import Struct, Value

from flyte_server.domain import errors

_log = logging.getLogger(__name__)

Q = TypeVar("Q")
A = TypeVar("A")


class Unsupported(errors.ControlPlaneError):
    """A word of the protocol that this control plane does not know."""


_CODES: tuple[tuple[type[errors.ControlPlaneError], Code], ...] = (
    (Unsupported, Code.UNIMPLEMENTED),
    (errors.NotFound, Code.NOT_FOUND),
    (errors.AlreadyExists, Code.ALREADY_EXISTS),
    (errors.Invalid, Code.INVALID_ARGUMENT),
    (errors.Unauthenticated, Code.UNAUTHENTICATED),
    (errors.Forbidden, Code.PERMISSION_DENIED),
    (errors.Unreadable, Code.UNAVAILABLE),
    (errors.Aborted, Code.ABORTED),
    (errors.AttemptOver, Code.ABORTED),
    (errors.Conflict, Code.FAILED_PRECONDITION),
    (errors.CannotLaunch, Code.FAILED_PRECONDITION),
    (errors.Unavailable, Code.UNAVAILABLE),
    (errors.StoreUnusable, Code.UNAVAILABLE),
)
"""Special before general: the first class that fits gives the code.  A damaged row is `unavailable`, because it may be
repaired: a task that asks for it waits instead of failing."""
_ATTEMPT_OVER = Struct(fields={"reason": Value(string_value="ATTEMPT_OVER")})
"""With this the client of a task's process knows that the process should end."""


def connect_error(error: Exception, *, where: str) -> ConnectError:
    """The error that a client gets; an unexpected one is logged and only its reference is told.

    Args:
        error: what happened.
        where: the method that was called, for the log.
    """
    if isinstance(error, ConnectError):
        return error
    for kind, code in _CODES:
        if isinstance(error, kind):
            return ConnectError(code, str(error), _details(error))
    reference = secrets.token_hex(4)
    _log.error("%s failed, reference %s", where, reference, exc_info=error)
    return ConnectError(
        Code.INTERNAL,
        f"{where} failed inside the control plane; look for reference {reference} in its log "
        "(server.log).",
    )


def code(error: Exception) -> str:
    """The word for a refusal in lists, such as `not_found`."""
    if isinstance(error, ConnectError):
        return error.code.value
    return next((code.value for kind, code in _CODES if isinstance(error, kind)), "internal")


def _details(error: errors.ControlPlaneError) -> tuple[Struct, ...]:
    """What a program must tell from other refusals of the same code."""
    return (_ATTEMPT_OVER,) if isinstance(error, errors.AttemptOver) else ()


class Faults:
    """Interceptor of every method of every service."""

    async def intercept_unary(
        self,
        call_next: Callable[[Q, RequestContext[Q, A]], Awaitable[A]],
        request: Q,
        ctx: RequestContext[Q, A],
    ) -> A:
        try:
            return await call_next(request, ctx)
        except Exception as error:  # noqa: BLE001 - the edge of the process
            raise connect_error(error, where=_method(ctx)) from None

    async def intercept_server_stream(
        self,
        call_next: Callable[[Q, RequestContext[Q, A]], AsyncIterator[A]],
        request: Q,
        ctx: RequestContext[Q, A],
    ) -> AsyncIterator[A]:
        try:
            async with contextlib.AsyncExitStack() as stack:
                messages = call_next(request, ctx)
                close = getattr(messages, "aclose", None)
                if close is not None:
                    stack.push_async_callback(close)
                async for message in messages:
                    yield message
        except Exception as error:  # noqa: BLE001 - the edge of the process
            raise connect_error(error, where=_method(ctx)) from None


def _method(ctx: RequestContext[Q, A]) -> str:
    method = ctx.method()
    return f"{method.service_name.rpartition('.')[2]}.{method.name}"
