"""The orders of one session of a replica: numbered, kept until they have arrived, and waited for."""

import asyncio
from collections import deque
from collections.abc import Iterator

from flyte_server.engine.ports import Assign, Cancel, Drain, Order


class Orders:
    """What a replica has to be told; whoever waits is answered with all that was said in one turn of the loop."""

    def __init__(self) -> None:
        self._last = 0
        self._kept: deque[Order] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def add(self, work: Assign | Cancel | Drain) -> None:
        """Say something."""
        self._last += 1
        self._kept.append(Order(self._last, work))
        if len(self._kept) == 1 and self._waiter is not None:
            asyncio.get_running_loop().call_soon(self.release)

    async def after(self, number: int, wait_seconds: float) -> list[Order]:
        """Orders above `number`, as soon as there are any; the others have arrived and are forgotten.

        The newest question is answered: one that is still open belongs to a connection that broke.
        """
        while self._kept and self._kept[0].number <= number:
            self._kept.popleft()
        self.release()
        self._waiter = None
        if not self._kept:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(wait_seconds, _resolve, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
            if self._waiter is not waiter:
                return []
            self._waiter = None
        return list(self._kept)

    def release(self) -> None:
        """Answer who waits, with what there is."""
        if self._waiter is not None:
            _resolve(self._waiter)

    def end(self) -> None:
        """Answer who waits with nothing: the session is over."""
        self._kept.clear()
        self.release()

    def unreceived(self) -> Iterator[Assign]:
        """Attempts that the replica may never have heard of."""
        return (order.work for order in self._kept if isinstance(order.work, Assign))


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
