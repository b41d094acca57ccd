"""An object that is written piece by piece and appears when the last piece has arrived.

The pieces are handed to obstore, which sends them in parts. To give up means to let obstore fail:
only then does it tell the store to forget the parts. That is why a transfer is never simply
cancelled.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Self

from flyte.storage._objects import clients
from flyte.storage._objects.clients import Place

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PATIENCE_SECONDS = 10.0


class Abandoned(Exception):  # noqa: N818 - it is no error, it ends a transfer
    """Thrown into a transfer to end it; never leaves this package."""


class Upload:
    """A transfer in parts: `push` pieces, then leave the block; an error in the block abandons it.

    `push` waits while as many parts are on their way as may be, so memory stays flat. Pieces must
    not change after they were pushed.
    """

    def __init__(self, place: Place, *, chunk_size: int, max_concurrency: int) -> None:
        self._place = place
        self._chunk_size = chunk_size
        self._max_concurrency = max_concurrency
        self._pieces: asyncio.Queue[ReadableBuffer | type[Abandoned] | None] = asyncio.Queue(1)
        self._transfer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.finish()
        else:
            await self.abandon()

    async def push(self, piece: "ReadableBuffer") -> None:
        """Add a piece; raises what obstore raises."""
        await self._hand_over(piece)

    async def finish(self) -> None:
        """Send the rest and make the object appear; if that is cut short, nothing appears."""
        try:
            transfer = await self._hand_over(None)
            await asyncio.shield(transfer)
        except asyncio.CancelledError:
            await self.abandon()
            raise

    async def abandon(self) -> None:
        """End the transfer and let the store forget its parts."""
        transfer = self._transfer
        if transfer is None or transfer.done():
            return
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(Abandoned)
        await asyncio.wait({transfer}, timeout=_PATIENCE_SECONDS)
        transfer.cancel()

    async def _hand_over(self, piece: "ReadableBuffer | None") -> asyncio.Task[None]:
        if self._transfer is None:
            self._transfer = asyncio.ensure_future(self._send())
            self._transfer.add_done_callback(_looked_at)
        waiting = asyncio.ensure_future(self._pieces.put(piece))
        try:
            await asyncio.wait({waiting, self._transfer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._transfer.done():
            self._transfer.result()
        return self._transfer

    async def _send(self) -> None:
        place = self._place
        await clients.obstore().put_async(
            place.store,
            place.key,
            self._arriving(),
            attributes=place.attributes,
            use_multipart=True,
            chunk_size=self._chunk_size,
            max_concurrency=self._max_concurrency,
        )

    async def _arriving(self) -> AsyncIterator[Any]:
        while (piece := await self._pieces.get()) is not None:
            if piece is Abandoned:
                raise Abandoned
            yield piece


def _looked_at(transfer: asyncio.Task[None]) -> None:
    """Whoever has given up does not ask for the outcome; asyncio would complain of that."""
    if not transfer.cancelled():
        transfer.exception()
