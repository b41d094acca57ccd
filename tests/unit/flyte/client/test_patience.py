"""Unary calls while the control plane is away: fail soon for a person, wait for a task."""

import asyncio
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from flyte import _session
from flyte._client.interceptors import ANSWER_SECONDS, TRIES, Retry
from flyte._kit.absence import Absence

pytestmark = pytest.mark.looptime


class Context:
    """What the interceptor looks at."""

    def __init__(self, timeout_ms: float | None = None) -> None:
        self._timeout_ms = timeout_ms

    def timeout_ms(self) -> float | None:
        return self._timeout_ms


class Plane:
    """Refuses connections, or is silent, until a moment of the loop's time; then it answers."""

    def __init__(self, back_at: float, *, silent: bool = False) -> None:
        self._back_at = back_at
        self._silent = silent
        self.asked = 0

    async def __call__(self, request: Any, ctx: Any) -> str:
        self.asked += 1
        if asyncio.get_running_loop().time() < self._back_at:
            if self._silent:
                await silence()
            raise ConnectError(Code.UNAVAILABLE, "refused")
        return "answer"


async def silence() -> None:
    """As the library does it: a cancellation becomes an error of its own."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as error:
        raise ConnectError(Code.CANCELED, "cancelled") from error


def patient() -> Retry:
    away = Absence("the control plane", say=lambda sentence: None)
    return Retry(lambda: away)


async def call(retry: Retry, plane: Plane, timeout_ms: float | None = None) -> Any:
    ctx: Any = Context(timeout_ms)
    return await retry.intercept_unary(plane, None, ctx)


async def test_a_person_hears_of_it_soon() -> None:
    plane = Plane(back_at=600)
    with pytest.raises(ConnectError, match="refused"):
        await call(Retry(), plane)
    assert plane.asked == TRIES
    assert asyncio.get_running_loop().time() < 5


async def test_a_person_does_not_wait_for_the_silent_for_ever() -> None:
    plane = Plane(back_at=600, silent=True)
    with pytest.raises(ConnectError) as raised:
        await call(Retry(), plane)
    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert asyncio.get_running_loop().time() == pytest.approx(ANSWER_SECONDS)


@pytest.mark.parametrize("silent", [False, True])
async def test_a_task_waits_for_ten_minutes(silent: bool) -> None:
    assert await call(patient(), Plane(back_at=600, silent=silent)) == "answer"


async def test_whoever_watches_a_run_waits_too() -> None:
    retry = Retry(_session.absence)
    with _session.waiting_out(Absence("the control plane", say=lambda sentence: None)):
        assert await call(retry, Plane(back_at=600)) == "answer"
    with pytest.raises(ConnectError, match="refused"):
        await call(retry, Plane(back_at=6_000))


async def test_an_asker_with_a_time_limit_tries_again_itself() -> None:
    plane = Plane(back_at=600)
    with pytest.raises(ConnectError, match="refused"):
        await call(patient(), plane, timeout_ms=10_000)
    assert plane.asked == TRIES


async def test_a_refusal_is_not_asked_again() -> None:
    asked = 0

    async def refuse(request: Any, ctx: Any) -> str:
        nonlocal asked
        asked += 1
        raise ConnectError(Code.NOT_FOUND, "no such run")

    ctx: Any = Context()
    with pytest.raises(ConnectError, match="no such run"):
        await patient().intercept_unary(refuse, None, ctx)
    assert asked == 1


async def test_a_cancelled_asker_stops_asking() -> None:
    asking = asyncio.create_task(call(patient(), Plane(back_at=600, silent=True)))
    await asyncio.sleep(1)
    asking.cancel()
    with pytest.raises(ConnectError) as raised:
        await asking
    assert isinstance(raised.value.__cause__, asyncio.CancelledError), "as `Faults` expects it"
