"""The parts of a replica that need no process of their own."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support import eventually

from flyte import errors
from flyte._entrypoints.replica.conversation import Conversation, Identity, NotWantedError
from flyte._entrypoints.replica.ledger import Held, Ledger
from flyte._entrypoints.replica.letters import Letters
from flyte._entrypoints.replica.threads import Interruptible
from flyte_protocol.worker.v1.worker_pb2 import (
    Assignment,
    AttemptRef,
    Ended,
    LeaseRequest,
    LeaseResponse,
    Order,
    RegisterRequest,
    RegisterResponse,
    ReportRequest,
    ReportResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def ref(name: str) -> AttemptRef:
    return AttemptRef(run_id=1, action=name, number=1, token=f"t-{name}")


def assignment(name: str) -> Assignment:
    return Assignment(attempt=ref(name))


# --- threads


@pytest.fixture
def pool() -> "ThreadPoolExecutor":
    return ThreadPoolExecutor(1, "flyte-background-test")


def test_a_function_is_interrupted_where_it_is(pool: ThreadPoolExecutor) -> None:
    began, cleaned = threading.Event(), threading.Event()

    def loop() -> None:
        began.set()
        try:
            while True:
                pass
        finally:
            cleaned.set()

    work = Interruptible(loop, contextvars.copy_context())
    running = pool.submit(work)
    assert began.wait(10)
    work.interrupt()
    work.interrupt()
    assert isinstance(running.result(10).error, KeyboardInterrupt)
    assert cleaned.is_set()
    assert pool.submit(lambda: 5).result(10) == 5, "its thread goes on"
    pool.shutdown()


def test_an_interrupt_reaches_no_later_work_of_the_thread(pool: ThreadPoolExecutor) -> None:
    for _ in range(300):
        work = Interruptible(lambda: 1, contextvars.copy_context())
        running = pool.submit(work)
        work.interrupt()
        returned = running.result(10)
        assert returned.value == 1 or isinstance(returned.error, KeyboardInterrupt)
        assert pool.submit(lambda: sum(range(100))).result(10) == 4950
    pool.shutdown()


def test_one_that_has_not_begun_never_does(pool: ThreadPoolExecutor) -> None:
    called: list[int] = []
    work = Interruptible(lambda: called.append(1), contextvars.copy_context())
    work.interrupt()
    assert isinstance(pool.submit(work).result(10).error, KeyboardInterrupt)
    assert called == []
    pool.shutdown()


# --- letters


def test_letters_that_wait_together_are_announced_once() -> None:
    calls: list[Callable[[], None]] = []
    taken: list[int] = []
    letters = Letters[int](calls.append, taken.append)
    for number in range(3):
        letters.put(number)
    assert len(calls) == 1
    calls.pop()()
    assert taken == [0, 1, 2]
    letters.put(3)
    assert len(calls) == 1, "those that come later are announced again"


# --- the ledger


async def test_an_end_is_news_until_it_is_committed() -> None:
    ledger = Ledger()
    held = ledger.take(assignment("a"))
    assert held is not None
    assert ledger.take(assignment("a")) is None, "orders may come twice"
    ledger.end(held, Ended(attempt=ref("a"), at=5))
    assert ledger.find(ref("a")) is None, "what has ended cannot be cancelled"
    assert ledger.refs() == [ref("a")], "but it is held"
    news = ledger.news(0)
    assert [ended.at for ended in news.ended] == [5]
    assert ledger.news(0).ended == news.ended
    ledger.told(news)
    assert len(ledger) == 0
    assert not ledger.news(0)


async def test_a_start_is_told_once_it_has_lasted() -> None:
    ledger = Ledger()
    held = ledger.take(assignment("a"))
    assert held is not None
    held.started_at = 100
    assert not ledger.news(started_before=100)
    news = ledger.news(started_before=101)
    assert [started.at for started in news.started] == [100]
    ledger.told(news)
    assert not ledger.news(started_before=200)
    assert not ledger.unknown_starts()


async def test_what_is_forgotten_is_not_told() -> None:
    ledger = Ledger()
    running, ended = ledger.take(assignment("a")), ledger.take(assignment("b"))
    assert running is not None
    assert ended is not None
    ledger.end(ended, Ended(attempt=ref("b")))
    assert ledger.forget([ref("a"), ref("b"), ref("unknown")]) == [running]
    ledger.end(running, Ended(attempt=ref("a")))
    assert not ledger.news(0)


# --- the conversation


class Service:
    """Answers from a script; what it is not told to do it does not do."""

    def __init__(self) -> None:
        self.orders: asyncio.Queue[list[Order]] = asyncio.Queue()
        self.reports: list[ReportRequest] = []
        self.registered: list[RegisterRequest] = []
        self.leases: list[LeaseRequest] = []
        self.failures: list[Exception] = []

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def register(
        self, request: RegisterRequest, *, timeout_ms: int | None = None
    ) -> RegisterResponse:
        self._fail()
        self.registered.append(request)
        return RegisterResponse(session=f"s{len(self.registered)}", beat_ms=1000)

    async def lease(self, request: LeaseRequest, *, timeout_ms: int | None = None) -> LeaseResponse:
        self.leases.append(request)
        self._fail()
        return LeaseResponse(orders=await self.orders.get())

    async def report(
        self, request: ReportRequest, *, timeout_ms: int | None = None
    ) -> ReportResponse:
        self._fail()
        self.reports.append(request)
        return ReportResponse()


class Hands:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.begun: list[Held] = []
        self.cancelled: list[tuple[str, str]] = []

    def begin(self, held: Held) -> None:
        self.begun.append(held)

    def cancel(self, held: Held, reason: str) -> None:
        self.cancelled.append((held.assignment.attempt.action, reason))


class Talk:
    def __init__(self, **identity: object) -> None:
        self.service, self.hands, self.ledger = Service(), Hands(), Ledger()
        given = {"worker": "w", "pool": "p", "pid": 1, "concurrency": 4, **identity}
        who = Identity(**given)  # type: ignore[arg-type]
        self.conversation = Conversation(self.service, who, self.ledger, self.hands)

    def end(self, held: Held) -> None:
        self.ledger.end(held, Ended(attempt=held.assignment.attempt, at=1))


@pytest.fixture
def talk() -> Talk:
    return Talk()


def assigned(number: int, name: str) -> Order:
    return Order(number=number, assign=assignment(name))


@pytest.mark.looptime
async def test_orders_that_come_again_are_executed_once(talk: Talk) -> None:
    holding = asyncio.create_task(talk.conversation.hold())
    await talk.service.orders.put([assigned(1, "a"), assigned(2, "b")])
    await talk.service.orders.put([assigned(2, "b"), assigned(3, "c")])
    await eventually(lambda: len(talk.hands.begun) == 3)
    await eventually(lambda: talk.service.leases[-1].after == 3)
    assert talk.service.leases[-1].free == 1
    for held in talk.hands.begun:
        talk.end(held)
    talk.conversation.drain()
    await holding
    assert sum(len(report.ended) for report in talk.service.reports) == 3


@pytest.mark.looptime
async def test_ends_that_come_together_are_one_report(talk: Talk) -> None:
    holding = asyncio.create_task(talk.conversation.hold())
    await talk.service.orders.put([assigned(n, str(n)) for n in range(1, 5)])
    await eventually(lambda: len(talk.hands.begun) == 4)
    for held in talk.hands.begun:
        talk.end(held)
    talk.conversation.drain()
    await holding
    assert [len(report.ended) for report in talk.service.reports] == [4]


@pytest.mark.looptime
async def test_an_end_is_told_again_to_the_next_control_plane(talk: Talk) -> None:
    holding = asyncio.create_task(talk.conversation.hold())
    await talk.service.orders.put([assigned(1, "a")])
    await eventually(lambda: talk.hands.begun)
    gone = errors.UnionRpcError("unavailable", "refused")
    talk.service.failures = [gone, gone, errors.UnionRpcError("not_found", "who are you?")]
    talk.end(talk.hands.begun[0])
    await eventually(lambda: talk.service.reports)
    assert len(talk.service.registered) == 2
    assert [held.action for held in talk.service.registered[1].held] == ["a"]
    assert talk.service.reports[0].session == "s2"
    talk.conversation.drain()
    await holding


@pytest.mark.looptime
async def test_a_refusal_is_the_end(talk: Talk) -> None:
    talk.service.failures = [errors.UnionRpcError("failed_precondition", "you were given up")]
    with pytest.raises(NotWantedError, match="given up"):
        await talk.conversation.hold()


@pytest.mark.looptime
async def test_a_control_plane_that_is_away_is_waited_for_while_something_is_held() -> None:
    talk = Talk(linger_seconds=60.0)
    holding = asyncio.create_task(talk.conversation.hold())
    await talk.service.orders.put([assigned(1, "a")])
    await eventually(lambda: talk.hands.begun)
    gone = errors.UnionRpcError("unavailable", "refused")
    talk.service.failures = [gone] * 100
    await talk.service.orders.put([])
    await eventually(lambda: len(talk.service.failures) < 10)
    assert not holding.done(), "minutes later it is still there"
    talk.service.failures = []
    talk.end(talk.hands.begun[0])
    await eventually(lambda: talk.service.reports, timeout_seconds=60)
    talk.conversation.drain()
    await holding


@pytest.mark.looptime
async def test_with_nothing_held_it_is_not_waited_for_long() -> None:
    talk = Talk(linger_seconds=60.0)
    gone = errors.UnionRpcError("unavailable", "refused")
    talk.service.failures = [gone] * 1000
    with pytest.raises(NotWantedError, match="nobody answers"):
        await talk.conversation.hold()
    assert asyncio.get_running_loop().time() < 120


@pytest.mark.looptime
async def test_a_cancellation_is_passed_on_with_its_reason(talk: Talk) -> None:
    holding = asyncio.create_task(talk.conversation.hold())
    await talk.service.orders.put([assigned(1, "a")])
    cancel = Order(number=2)
    cancel.cancel.attempt.CopyFrom(ref("a"))
    cancel.cancel.reason = "out of time"
    unknown = Order(number=3)
    unknown.cancel.attempt.CopyFrom(ref("nobody"))
    await talk.service.orders.put([cancel, unknown])
    await eventually(lambda: talk.hands.cancelled)
    assert talk.hands.cancelled == [("a", "out of time")]
    talk.end(talk.hands.begun[0])
    talk.conversation.drain()
    await holding
