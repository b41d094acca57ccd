"""What every call to the control plane carries, and which failures are tried again at once."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from flyte._ids import ActionID
from flyte._kit.absence import Absence
from flyte._kit.backoff import Backoff

TRIES = 4
ANSWER_SECONDS = 120.0
"""How long an answer is waited for: long enough for a message of the largest size on a slow line."""
Bearable = Callable[[], Absence | None]
"""The absence that the present asker bears; None: an error must come soon."""

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
    """Tries a unary call again while the control plane is unavailable.

    As often as `rpc_retries` says; for whoever bears an absence, until the control plane is back: it refuses
    connections, or takes them and says nothing.  A call with a time limit of its own asker has an asker who tries
    again.  Streams are left alone: only their reader knows where it is and what it may read twice.

    Args:
        absence: whether, and how long, whoever asks now waits for a control plane that is away.
        tries: how often it is asked at most, where nobody waits.
    """

    def __init__(self, absence: Bearable = lambda: None, *, tries: int = TRIES) -> None:
        self._absence = absence
        self._tries = tries

    async def intercept_unary(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], Awaitable[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> Any:
        if ctx.timeout_ms() is not None:
            return await self._tried(lambda: call_next(request, ctx), None)
        waiting = self._absence()
        return await self._tried(lambda: _answered_in_time(call_next(request, ctx)), waiting)

    async def _tried(self, ask: Callable[[], Awaitable[Any]], waiting: Absence | None) -> Any:
        for tried in itertools.count():
            try:
                answer = await ask()
            except ConnectError as error:
                silent = error.code is Code.DEADLINE_EXCEEDED and waiting is not None
                if error.code is not Code.UNAVAILABLE and not silent:
                    raise
                if waiting is not None:
                    waiting.missed(error)
                elif tried >= self._tries - 1:
                    raise
            else:
                if waiting is not None:
                    waiting.answered()
                return answer
            await asyncio.sleep(_PAUSES.delay(tried))
        raise AssertionError("counting has no end")


async def _answered_in_time(asked: Awaitable[Any]) -> Any:
    limit = asyncio.timeout(ANSWER_SECONDS)
    try:
        async with limit:
            return await asked
    except (TimeoutError, ConnectError) as error:
        # The library turns the cancellation that a time limit is made of into an error of its own.
        if limit.expired():
            raise ConnectError(Code.DEADLINE_EXCEEDED, "no answer") from error
        raise
