"""Which attempt this process is, said with every request; and its end, once another attempt has its place.

A process that was frozen (a stopped machine, a long pause of the disk) may thaw after the control plane has given it
up.  It must change nothing then: the control plane refuses its requests, and it ends itself at the first refusal.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from google.protobuf.struct_pb2 import Struct

from flyte._ids import ROOT_ACTION

HEADER = "x-flyte-attempt"
EXIT_CODE = 79
"""With which a process ends whose attempt is over; no task's own code is the reason then."""
_REASON = "ATTEMPT_OVER"
_STDERR = 2


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one action, with the token by which the control plane tells it from the others."""

    project: str
    domain: str
    run: str
    action: str
    number: int
    """From 1."""
    token: str

    @classmethod
    def of_environment(cls, env: Mapping[str, str]) -> "Attempt | None":
        """What the control plane told this process about itself; None outside of tasks, and where it gives no tokens.

        Example:
            >>> Attempt.of_environment({"RUN_NAME": "r1"}) is None
            True
        """
        token, run = env.get("FLYTE_ATTEMPT_TOKEN"), env.get("RUN_NAME")
        before = env.get("FLYTE_ATTEMPT_NUMBER", "0")
        if not token or not run or not before.isdecimal():
            return None
        return cls(
            project=env.get("FLYTE_INTERNAL_EXECUTION_PROJECT", ""),
            domain=env.get("FLYTE_INTERNAL_EXECUTION_DOMAIN", ""),
            run=run,
            action=env.get("ACTION_NAME", ROOT_ACTION),
            number=int(before) + 1,
            token=token,
        )

    @property
    def header(self) -> str:
        """The value of `x-flyte-attempt`."""
        return f"{self.project}/{self.domain}/{self.run}/{self.action}/{self.number}/{self.token}"


def leave(reason: str) -> NoReturn:
    """End this process at once: no result is written, and nothing of the task's code runs any more."""
    # Straight to the descriptor: the task's own thread may hold the lock of the stream.
    os.write(_STDERR, f"flyte: {reason}\n".encode())
    os._exit(EXIT_CODE)


class Fence:
    """Says with every request which attempt asks, and calls `over` when it hears that this one is over.

    Args:
        attempt: whose process this is.
        over: gets the control plane's sentence; ends the process unless a test says otherwise.
    """

    def __init__(self, attempt: Attempt, over: Callable[[str], object] = leave) -> None:
        self._header = attempt.header
        self._over = over

    async def intercept_unary(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], Awaitable[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> Any:
        ctx.request_headers()[HEADER] = self._header
        try:
            return await call_next(request, ctx)
        except ConnectError as error:
            self._hear(error)
            raise

    async def intercept_server_stream(
        self,
        call_next: Callable[[Any, RequestContext[Any, Any]], AsyncIterator[Any]],
        request: Any,
        ctx: RequestContext[Any, Any],
    ) -> AsyncIterator[Any]:
        ctx.request_headers()[HEADER] = self._header
        messages = call_next(request, ctx)
        try:
            async for message in messages:
                yield message
        except ConnectError as error:
            self._hear(error)
            raise
        finally:
            close = getattr(messages, "aclose", None)
            if close is not None:
                await close()

    def _hear(self, error: ConnectError) -> None:
        if is_over(error):
            self._over(error.message)


def is_over(error: ConnectError) -> bool:
    """Whether the control plane refused because the attempt that asked is over."""
    if error.code is not Code.ABORTED:
        return False
    reason = Struct()
    return any(
        detail.Unpack(reason) and reason.fields["reason"].string_value == _REASON
        for detail in error.details
    )
