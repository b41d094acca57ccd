"""What a replica and the control plane say to each other, on the background loop."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flyte import errors
from flyte._entrypoints.replica.ledger import Held, Ledger
from flyte._kit import absence, backoff, clock
from flyte_protocol.worker.v1.worker_pb2 import (
    LeaseRequest,
    Order,
    RegisterRequest,
    RegisterResponse,
    ReportRequest,
)

logger = logging.getLogger(__name__)

PROTOCOL = 1
_ANSWER_MS = 10_000
"""How long an answer is waited for, besides the time that a Lease itself takes."""
_LONGEST_WAIT_MS = 10_000
_PAUSES = backoff.Backoff(base=0.05, factor=2, cap=2, jitter=0.3)
_GATHERING_SECONDS = 0.001
"""How long an end waits for others that may come with it, if anything else is running."""
_SHORT_SECONDS = 0.02
"""An attempt that has ended before is told of by its end alone."""


class Service(Protocol):
    """The worker protocol's client."""

    async def register(self, request: Any, *, timeout_ms: int | None = None) -> Any: ...
    async def lease(self, request: Any, *, timeout_ms: int | None = None) -> Any: ...
    async def report(self, request: Any, *, timeout_ms: int | None = None) -> Any: ...


class Hands(Protocol):
    """Who executes attempts.  Both return at once."""

    def begin(self, held: Held) -> None: ...
    def cancel(self, held: Held, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this replica is, as whoever started it has said."""

    worker: str
    pool: str
    pid: int
    concurrency: int = 1
    record: Path | None = None
    """A file that stands for as long as the replica is wanted; None: none does."""
    linger_seconds: float = 300.0
    """For how long a control plane that is away is waited for while nothing is held."""


class _SessionOver(Exception):  # noqa: N818 - no error: another control plane is there
    """The control plane does not know this acquaintance."""


class NotWantedError(Exception):
    """The replica has no reason to live any more."""


class Conversation:
    """Registers, leases, reports; until the replica is told to go or nobody wants it.

    Args:
        service: the client.
        identity: who speaks.
        ledger: what is held.
        hands: gets the orders.
    """

    def __init__(self, service: Service, identity: Identity, ledger: Ledger, hands: Hands) -> None:
        self._service = service
        self._identity = identity
        self._ledger = ledger
        self._hands = hands
        self._draining = False
        self._registered = False
        self._absence = absence.Absence("the control plane", say=logger.warning)
        self._away_since: float | None = None
        self._look: asyncio.TimerHandle | None = None

    async def hold(self) -> None:
        """Speak until there is nothing more to say.

        Raises:
            NotWantedError: nobody waits for the results of what is held.
        """
        while True:
            try:
                return await self._talk(await self._register())
            except _SessionOver as over:
                logger.info("registering again: %s", over.__cause__)

    def leave(self, reason: str) -> None:
        """Take nothing more, cancel what is held, and end once all ends are told."""
        self.drain()
        for held in self._ledger.running():
            self._hands.cancel(held, reason)

    def drain(self) -> None:
        """Take nothing more, and end when nothing is held."""
        self._draining = True
        self._ledger.changed.set()

    async def _register(self) -> RegisterResponse:
        identity, self._registered = self._identity, False
        answer = await self._ask(
            self._service.register,
            lambda: RegisterRequest(
                worker=identity.worker,
                pool=identity.pool,
                protocol=PROTOCOL,
                held=self._ledger.refs(),
                pid=identity.pid,
            ),
        )
        self._registered = True
        for held in self._ledger.forget(answer.forget):
            self._hands.cancel(held, "the control plane does not want it any more")
        return answer

    async def _talk(self, session: RegisterResponse) -> None:
        """Lease and report until the replica is empty and told to go, or the session is over."""
        leasing = asyncio.create_task(self._lease(session), name="lease")
        reporting = asyncio.create_task(self._report(session), name="report")
        try:
            await asyncio.wait((leasing, reporting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leasing, reporting):
                task.cancel()
            await asyncio.wait((leasing, reporting))
        for task in (reporting, leasing):
            if not task.cancelled():
                task.result()

    # --- orders

    async def _lease(self, session: RegisterResponse) -> None:
        wait_ms = min(session.beat_ms or _LONGEST_WAIT_MS, _LONGEST_WAIT_MS)
        received = 0
        while True:
            request = LeaseRequest(
                worker=self._identity.worker,
                session=session.session,
                after=received,
                free=0 if self._draining else self._free(),
                wait_ms=wait_ms,
            )
            answer = await self._ask(self._service.lease, lambda said=request: said, wait_ms)
            for order in answer.orders:
                if order.number > received:
                    received = order.number
                    self._obey(order)

    def _free(self) -> int:
        return max(0, self._identity.concurrency - len(self._ledger))

    def _obey(self, order: Order) -> None:
        match order.WhichOneof("order"):
            case "assign":
                held = self._ledger.take(order.assign)
                if held is not None:
                    self._hands.begin(held)
                    self._look_for_starts()
            case "cancel":
                held = self._ledger.find(order.cancel.attempt)
                if held is not None:
                    self._hands.cancel(held, order.cancel.reason)
            case "drain":
                self.drain()
            case _:
                logger.warning(
                    "order %d is of a kind that this version does not know", order.number
                )

    # --- reports

    def _look_for_starts(self) -> None:
        """Soon see what is still running."""
        if self._look is None:
            loop = asyncio.get_running_loop()
            self._look = loop.call_later(_SHORT_SECONDS, self._found_starts)

    def _found_starts(self) -> None:
        self._look = None
        if self._ledger.unknown_starts():
            self._ledger.changed.set()
            self._look_for_starts()

    async def _report(self, session: RegisterResponse) -> None:
        """Tell what is new, one report at a time: what happens meanwhile goes into the next."""
        while not (self._draining and not len(self._ledger)):
            await self._ledger.changed.wait()
            if self._ledger.running():
                await asyncio.sleep(_GATHERING_SECONDS)
            self._ledger.changed.clear()
            news = self._ledger.news(clock.now_us() - int(_SHORT_SECONDS * 1e6))
            if news:
                request = ReportRequest(
                    worker=self._identity.worker,
                    session=session.session,
                    started=news.started,
                    ended=news.ended,
                )
                await self._ask(self._service.report, lambda said=request: said)
                self._ledger.told(news)

    # --- asking

    async def _ask(
        self, ask: Callable[..., Awaitable[Any]], request: Callable[[], Any], wait_ms: int = 0
    ) -> Any:
        """Ask until there is an answer."""
        for tried in itertools.count():
            try:
                answer = await ask(request(), timeout_ms=_ANSWER_MS + wait_ms)
            except errors.UnionRpcError as error:
                self._judge(error)
            except errors.ResourceExhaustedError as error:
                logger.debug("asking again: %s", error)
            else:
                self._absence.answered()
                self._away_since = None
                return answer
            await asyncio.sleep(_PAUSES.delay(tried))
        raise AssertionError("counting has no end")

    def _judge(self, error: errors.UnionRpcError) -> None:
        """Return if it is worth while to ask again."""
        if error.code == "not_found" and self._registered:
            raise _SessionOver from error
        if error.is_final:
            raise NotWantedError(str(error)) from error
        now = asyncio.get_running_loop().time()
        self._away_since = self._away_since or now
        record = self._identity.record
        if record is not None and _is_gone(record):
            raise NotWantedError(f"{record} is gone") from error
        if not len(self._ledger) and now - self._away_since > self._identity.linger_seconds:
            raise NotWantedError(f"nothing is held, and nobody answers ({error})") from error
        self._absence.missed(error)


def _is_gone(record: Path) -> bool:
    """Whether the file is missing for certain: a disk that does not tell says nothing."""
    try:
        return not record.exists()
    except OSError:
        return False
