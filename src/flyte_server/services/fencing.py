"""Which attempt a request comes from, and whether that one still has a say.

The runtime in a task's process sends its attempt with every request.  Requests that change actions are checked in
the transaction that makes the change (`engine.changes`); for all others the look here is enough.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from connectrpc.request import Headers, RequestContext

from flyte_server.domain import fencing
from flyte_server.domain.errors import Invalid
from flyte_server.domain.records import ActionKey, AttemptKey
from flyte_server.services.directory import Directory
from flyte_server.services.wire import ids
from flyte_server.store import actions
from flyte_server.store.database import Database

HEADER = "x-flyte-attempt"
"""`project/domain/run/action/number/token` of the attempt whose process asks."""

Q = TypeVar("Q")
A = TypeVar("A")


def header(project: str, domain: str, run: str, action: str, number: int, token: str) -> str:
    """The header's value for an attempt."""
    return f"{project}/{domain}/{run}/{action}/{number}/{token}"


class Fence:
    """Knows the callers of requests; as an interceptor it refuses those whose attempt is over."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def caller(self, headers: Headers) -> AttemptKey | None:
        """The attempt that asks; None when the request does not say (clients, other SDKs).

        Raises:
            Invalid: the header cannot be read.
            NotFound: there is no such run.
        """
        text = headers.get(HEADER)
        if text is None:
            return None
        project, domain, run, action, number, token = _parts(text)
        facts = await self._directory.by_name(ids.RunName(project, domain, run))
        return AttemptKey(facts.run.id, action, int(number), token)

    async def check(self, headers: Headers) -> None:
        """Look once whether the attempt that asks is the current one.

        Raises:
            AttemptOver: it is not.
        """
        caller = await self.caller(headers)
        if caller is not None:
            key = ActionKey(caller.run_id, caller.action)
            found = await self._database.read(actions.load, key.run_id, key.name)
            fencing.check(found, caller)

    async def intercept_unary(
        self,
        call_next: Callable[[Q, RequestContext[Q, A]], Awaitable[A]],
        request: Q,
        ctx: RequestContext[Q, A],
    ) -> A:
        await self.check(ctx.request_headers())
        return await call_next(request, ctx)

    async def intercept_server_stream(
        self,
        call_next: Callable[[Q, RequestContext[Q, A]], AsyncIterator[A]],
        request: Q,
        ctx: RequestContext[Q, A],
    ) -> AsyncIterator[A]:
        await self.check(ctx.request_headers())
        async for message in call_next(request, ctx):
            yield message


def _parts(text: str) -> list[str]:
    parts = text.split("/")
    if len(parts) != 6 or not parts[4].isdecimal():
        raise Invalid(
            f"The header {HEADER} is {text!r}; send project/domain/run/action/number/token, or leave it out."
        )
    return parts
