"""What every call to the control plane carries, and which failures are tried again at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from flyte._ids import ActionID
from flyte._kit.backoff import Backoff

TRIES = 4
_PAUSES = Backoff(base=0.1, factor=2, cap=2, jitter=0.2)
_ACTIONS_SERVICE = "flyteidl2.actions.ActionsService"


class Headers:
    """Adds `x-request-id` and the fixed headers, and `x-actions-*` for the actions service."""

    def __init__(self, fixed: Mapping[str, str], caller: ActionID | None) -> None:
        self._fixed = dict(fixed)
        self._prefix = f"{caller.unique_id_str()}-" if caller else ""
        self._of_actions = _action_headers(caller) if caller else {}

    async def intercept_unary(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], Awaitable[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> Any:
        self._add(ctx)
        return await call_next(request, ctx)

    def intercept_server_stream(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], AsyncIterator[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> AsyncIterator[Any]:
        self._add(ctx)
        return call_next(request, ctx)

    def _add(self, ctx: RequestContext[Any, Any]) -> None:
        headers = ctx.request_headers()
        headers["x-request-id"] = self._prefix + secrets.token_hex(4 if self._prefix else 16)
        for name, value in self._fixed.items():
            headers[name] = value
        if ctx.method().service_name == _ACTIONS_SERVICE:
            for name, value in self._of_actions.items():
                headers[name] = value


def _action_headers(caller: ActionID) -> dict[str, str]:
    return {
        "x-actions-project": caller.project or "",
        "x-actions-domain": caller.domain or "",
        "x-actions-run": caller.run_name or "",
        "x-actions-parent-action": caller.name,
    }


class Retry:
    """Tries a unary call up to four times while the control plane is unavailable.

    Streams are left alone: only their reader knows where it is and what it may read twice.
    """

    async def intercept_unary(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], Awaitable[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> Any:
        for tried in range(TRIES - 1):
            try:
                return await call_next(request, ctx)
            except ConnectError as error:
                if error.code is not Code.UNAVAILABLE:
                    raise
                await asyncio.sleep(_PAUSES.delay(tried))
        return await call_next(request, ctx)
