"""Streams of the control plane that outlive a lost connection."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from flyte import _session, errors
from flyte._kit.backoff import Backoff
from flyte.syncify import Stream

if TYPE_CHECKING:
    from flyte._client import ControlPlane

M = TypeVar("M")

PERMANENT = frozenset(
    {
        "not_found",
        "permission_denied",
        "unauthenticated",
        "unimplemented",
        "invalid_argument",
        "failed_precondition",
        "out_of_range",
    }
)
"""Answers of a control plane that is well: asking again gives the same."""

_TRIES = 60
_PAUSES = Backoff(base=0.1, factor=1.5, cap=3.0, jitter=0.2)


@asynccontextmanager
async def closing(items: AsyncIterator[M]) -> AsyncGenerator[AsyncIterator[M]]:
    """Like `contextlib.aclosing`, for what is declared as an iterator: a reader that stops early ends the stream."""
    try:
        yield items
    finally:
        if isinstance(items, AsyncGenerator | Stream):
            await items.aclose()


async def messages(
    open_stream: "Callable[[ControlPlane], AsyncIterator[M]]", *, reopen_at_end: bool = True
) -> AsyncIterator[M]:
    """The messages of a stream; it is opened again whenever it breaks, and also when it ends if `reopen_at_end`.

    The control plane starts each stream with a complete picture, so that nothing is missed in between; readers must
    take the same message twice.  The reader stops when it has seen enough.

    Raises:
        UnionRpcError: the control plane refuses, or has not come back for about three minutes.
    """
    session = _session.current()
    lost = 0
    while True:
        try:
            plane = await (session.reconnected() if lost else session.control_plane())
            async for message in open_stream(plane):
                lost = 0
                yield message
            if not reopen_at_end:
                return
        except errors.UnionRpcError as error:
            if error.code in PERMANENT or lost >= _TRIES:
                raise
        await asyncio.sleep(_PAUSES.delay(lost))
        lost += 1
