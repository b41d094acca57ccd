"""Every stream that follows rows, in one loop: look, send, wait for the bus or a moment, say that
we are still there.

The heartbeat is not a courtesy: the stream handler below us notices that a client is gone only when
it has something to send, so a quiet stream would never be released.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from flyte_server.domain.errors import Unavailable
from flyte_server.engine.bus import Bus, Topic

HEARTBEAT_SECONDS = 3.0
_STOPPING: Topic = ("stopping",)
_SENDS_IN_A_ROW = 100

M_co = TypeVar("M_co", covariant=True)
M = TypeVar("M")


class View(Protocol[M_co]):
    """What one stream shows; keeps its own cursor."""

    @property
    def topic(self) -> Topic:
        """What wakes it."""
        ...

    @property
    def pause_seconds(self) -> float:
        """How long to wait for a wake before looking again."""
        ...

    @property
    def rest_seconds(self) -> float:
        """The least time between two looks: what changes meanwhile is looked at once."""
        ...

    @property
    def over(self) -> bool:
        """Whether nothing can follow what the last look gave."""
        ...

    async def look(self) -> Iterable[M_co]:
        """What is new since the last look; made one by one as it is sent."""
        ...

    def heartbeat(self) -> M_co:
        """A message that tells nothing new."""
        ...


class Watching:
    """Serves views until they are over, the client is gone, or the control plane stops."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stopping = False

    def stop(self) -> None:
        """End all streams now with UNAVAILABLE: their clients connect again."""
        self._stopping = True
        self._bus.wake(_STOPPING)

    async def follow(self, opened: Callable[[], Awaitable[View[M]]]) -> AsyncIterator[M]:
        """The messages of the view that `opened` makes.

        Args:
            opened: finds what is asked for and makes the view of it; may refuse.

        Raises:
            Unavailable: the control plane goes down.
        """
        view = await opened()
        loop = asyncio.get_running_loop()
        with self._bus.subscribe(view.topic, _STOPPING) as changes:
            sent_at = loop.time()
            while True:
                looked_at = loop.time()
                for number, message in enumerate(await view.look(), start=1):
                    yield message
                    sent_at = loop.time()
                    if number % _SENDS_IN_A_ROW == 0:
                        await asyncio.sleep(0)  # ten thousand messages must not hold up other calls
                if view.over:
                    return
                if loop.time() - sent_at >= HEARTBEAT_SECONDS:
                    yield view.heartbeat()
                    sent_at = loop.time()
                if not self._stopping:
                    await changes.wait(view.pause_seconds)
                    await asyncio.sleep(max(0.0, looked_at + view.rest_seconds - loop.time()))
                if self._stopping:
                    raise Unavailable("The control plane is stopping; connect again in a moment.")
