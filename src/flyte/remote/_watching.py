"""Streams of the control plane that outlive a lost connection."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from flyte import _session, errors
from flyte._kit.absence import Absence
from flyte._kit.backoff import Backoff
from flyte.syncify import Stream

if TYPE_CHECKING:
    from flyte._client import ControlPlane

M = TypeVar("M")

_QUIET_SECONDS = 20.0
"""Our control plane says every three seconds that it is there; a stream that is silent for longer is opened anew."""
_PAUSES = Backoff(base=0.1, factor=1.5, cap=3.0, jitter=0.2)

_log = logging.getLogger("flyte.run")


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
    take the same message twice.  The reader stops when it has seen enough.  A control plane that is away is waited
    for as `_session.waiting_out` says, else for a day with a line in the log every minute.

    Raises:
        UnionRpcError: the control plane refuses, or does not come back.
    """
    session = _session.current()
    away = _session.absence() or Absence("the control plane", say=_log.warning)
    plane: ControlPlane | None = None
    lost, loop = 0, asyncio.get_running_loop()
    while True:
        heard_at = loop.time()
        try:
            plane = await (session.reconnected(plane) if lost else session.control_plane())
            async for message in _never_quiet(open_stream(plane)):
                lost, heard_at = 0, loop.time()
                away.answered()
                yield message
            if not reopen_at_end:
                return
        except errors.UnionRpcError as error:
            if error.is_final:
                raise
            away.missed(error, waited_seconds=loop.time() - heard_at)
        await asyncio.sleep(_PAUSES.delay(lost))
        lost += 1


async def _never_quiet(stream: AsyncIterator[M]) -> AsyncIterator[M]:
    """The messages of a stream.

    Raises:
        UnionRpcError: it was silent for so long that it must be dead.
    """
    async with closing(stream):
        while True:
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    message = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise errors.UnionRpcError(
                    "deadline_exceeded", f"the control plane was silent for {_QUIET_SECONDS:.0f} s"
                ) from None
            yield message
