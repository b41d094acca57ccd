"""Says with every call who asks; when that is refused, says it anew and asks once more."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from flyte._client.auth.credentials import Credentials

_TRIES = 3
"""With nothing, with what was kept, and with what a login has given just now."""


class Authorization:
    """An interceptor of every client of one control plane.

    It stands outside of those that try again and bound the time, because a person who logs in takes longer than any
    answer.  A stream is opened anew only if nothing of it has come.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def intercept_unary(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], Awaitable[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> Any:
        said = await self._credentials.headers()
        for left in reversed(range(_TRIES)):
            try:
                return await call_next(request, _say(ctx, said))
            except ConnectError as error:
                said = await self._anew(error, said, left)
        raise AssertionError("the last refusal is raised")

    async def intercept_server_stream(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], AsyncIterator[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> AsyncIterator[Any]:
        said = await self._credentials.headers()
        for left in reversed(range(_TRIES)):
            begun = False
            messages = _closable(call_next(request, _say(ctx, said)))
            async with aclosing(messages):
                try:
                    async for message in messages:
                        begun = True
                        yield message
                except ConnectError as error:
                    if begun:
                        raise
                    said = await self._anew(error, said, left)
                else:
                    return

    async def _anew(
        self, error: ConnectError, said: Mapping[str, str], left: int
    ) -> Mapping[str, str]:
        """What to say after a refusal; raised are other errors, and a refusal after which there is nothing to say."""
        if error.code is not Code.UNAUTHENTICATED:
            raise error
        anew = await self._credentials.renewed(said) if left else said
        if anew != said:
            return anew
        why = await self._credentials.why(said)
        message = f"{error.message}: {why}" if why else error.message
        raise ConnectError(error.code, message, error.details) from error


def _say(ctx: RequestContext[Any, Any], who: Mapping[str, str]) -> RequestContext[Any, Any]:
    headers = ctx.request_headers()
    for name, value in who.items():
        headers[name] = value
    return ctx


async def _closable(messages: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    """A stream that ends with its reader: a connection must not be left to the garbage collector."""
    try:
        async for message in messages:
            yield message
    finally:
        close = getattr(messages, "aclose", None)
        if close is not None:
            await close()
