"""Messages between processes and control planes: late, lost, doubled; connections that break."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.sim.world.faults import Trouble
from tests.sim.world.journal import Journal
from tests.sim.world.loop import Being, running

_REFUSED_SECONDS = 0.01


class Network:
    """Carries calls; what the callee raises is raised at the caller."""

    def __init__(self, trouble: Trouble, dice: random.Random, journal: Journal) -> None:
        self._trouble = trouble
        self._dice = dice
        self._journal = journal

    async def ask(
        self, callee: Being, serve: Callable[[], Awaitable[Any]], *, timeout: float = 5.0
    ) -> Any:
        """Call something in another process.

        Raises:
            ConnectionError: the callee is not there, or died before it answered.
            TimeoutError: nothing was heard in time; nobody knows whether it was done.
        """
        loop = running()
        answer: asyncio.Future[Any] = loop.create_future()
        call = _Call(self, callee, serve, answer)
        if self.happens(self._trouble.lost_request):
            self._journal.fault("request lost")
        else:
            loop.later(self.latency(), call.arrive)
            if self.happens(self._trouble.doubled):
                self._journal.fault("request doubled")
                loop.later(self.latency(), call.arrive)
        async with asyncio.timeout(timeout):
            return await answer

    async def stream(
        self, callee: Being, serve: Callable[[], AsyncIterator[Any]]
    ) -> AsyncIterator[Any]:
        """Listen to a stream of another process, in order, until it breaks.

        Raises:
            ConnectionError: it broke.
        """
        loop = running()
        line = _Line(self, callee)
        loop.later(self.latency(), line.open, serve)
        try:
            while True:
                message = await line.next()
                if isinstance(message, Exception):
                    raise message
                yield message
        finally:
            loop.later(self.latency(), line.close)

    def latency(self) -> float:
        """How long a message is on its way."""
        return self._dice.random() * self._trouble.latency

    def happens(self, share: float) -> bool:
        """Throw the dice."""
        return share > 0 and running().time() < self._trouble.until and self._dice.random() < share

    def loses_answer(self) -> bool:
        """Whether this answer is lost."""
        lost = self.happens(self._trouble.lost_answer)
        if lost:
            self._journal.fault("answer lost")
        return lost

    def breaks(self) -> bool:
        """Whether this stream breaks now."""
        broken = self.happens(self._trouble.broken_stream)
        if broken:
            self._journal.fault("stream broken")
        return broken


class _Call:
    def __init__(
        self,
        network: Network,
        callee: Being,
        serve: Callable[[], Awaitable[Any]],
        answer: "asyncio.Future[Any]",
    ) -> None:
        self._network = network
        self._callee = callee
        self._serve = serve
        self._answer = answer

    def arrive(self) -> None:
        if not self._callee.alive:
            self._broken()
            return
        self._callee.bereaved.append(self._broken)
        self._callee.do(self._work(), "rpc")

    def _broken(self) -> None:
        self._later(_REFUSED_SECONDS, ConnectionError("nobody listens"))

    async def _work(self) -> None:
        try:
            result = await self._serve()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears it
            result = error
        if not self._network.loses_answer():
            self._later(self._network.latency(), result)

    def _later(self, seconds: float, result: object) -> None:
        running().later(seconds, self._tell, result)

    def _tell(self, result: object) -> None:
        if self._answer.done():
            return
        if isinstance(result, Exception):
            self._answer.set_exception(result)
        else:
            self._answer.set_result(result)


class _Line:
    """One stream: what was said and not heard yet."""

    def __init__(self, network: Network, callee: Being) -> None:
        self._network = network
        self._callee = callee
        self._messages: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._free_at = 0.0
        self._closed = False

    async def next(self) -> Any:
        while not self._messages:
            self._waiter = running().create_future()
            await self._waiter
        return self._messages.popleft()

    def open(self, serve: Callable[[], AsyncIterator[Any]]) -> None:
        if self._closed:
            return
        if not self._callee.alive:
            self._hear(ConnectionError("nobody listens"))
            return
        self._callee.bereaved.append(lambda: self._say(ConnectionError("the connection broke")))
        self._pump = self._callee.do(self._send(serve), "stream")

    def close(self) -> None:
        self._closed = True
        if self._pump is not None:
            self._pump.cancel()

    async def _send(self, serve: Callable[[], AsyncIterator[Any]]) -> None:
        try:
            async for message in serve():
                if self._network.breaks():
                    break
                self._say(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the listener hears it
            self._say(error)
        else:
            self._say(ConnectionError("the stream was cut"))

    def _say(self, message: object) -> None:
        loop = running()
        self._free_at = max(self._free_at, loop.time() + self._network.latency())
        loop.later(self._free_at - loop.time(), self._hear, message)

    def _hear(self, message: object) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
