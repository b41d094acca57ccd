import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from tests.fakes.remote_plane import FakePlane, attached, gone

from flyte import _session, errors
from flyte._kit.absence import Absence
from flyte.remote import _watching


async def read(
    plane: FakePlane,
    wanted: int | None = None,
    *,
    reopen_at_end: bool = True,
    away: Absence | None = None,
) -> list[Any]:
    """The messages of `watch_x`, up to `wanted` of them."""
    found: list[Any] = []

    def opened(connected: Any) -> AsyncIterator[Any]:
        return connected.watch_x(None)

    with _session.using(attached(plane)), _session.waiting_out(away) if away else nullcontext():
        stream = _watching.messages(opened, reopen_at_end=reopen_at_end)
        async with _watching.closing(stream):
            async for message in stream:
                found.append(message)
                if len(found) == wanted:
                    break
    return found


async def test_a_broken_stream_is_opened_again() -> None:
    plane = FakePlane()
    plane.stream("watch_x", [1, gone()], [gone()], [2, 3])
    assert await read(plane, 3) == [1, 2, 3]
    assert len(plane.asked) == 3


async def test_a_stream_that_ends_is_opened_again_if_its_reader_wants_more() -> None:
    plane = FakePlane()
    plane.stream("watch_x", [1], [2])
    assert await read(plane, 2) == [1, 2]
    plane.stream("watch_x", [1], [2])
    assert await read(plane, reopen_at_end=False) == [1]


@pytest.mark.parametrize("code", ["not_found", "invalid_argument", "permission_denied"])
async def test_a_refusal_is_final(code: str) -> None:
    plane = FakePlane()
    plane.stream("watch_x", [1, gone(code)], [2])
    with pytest.raises(errors.UnionRpcError, match=code):
        await read(plane)


@pytest.mark.looptime
async def test_ten_minutes_without_a_control_plane_are_waited_out() -> None:
    plane = FakePlane()
    plane.stream("watch_x", [1, gone()], *([gone()] for _ in range(250)), [2])
    said: list[str] = []
    away = Absence("the control plane", say=said.append, every_seconds=None)
    assert await read(plane, 2, away=away) == [1, 2]
    assert asyncio.get_running_loop().time() > 600
    assert len(said) == 2, "once that it is away, once that it is back"
    assert "away since" in said[0]
    assert said[1] == "the control plane is back"


@pytest.mark.looptime
async def test_a_control_plane_that_stays_away_for_too_long_is_reported() -> None:
    plane = FakePlane()
    plane.stream("watch_x", *([gone()] for _ in range(1_000)))
    away = Absence("the control plane", say=lambda sentence: None, limit_seconds=600)
    with pytest.raises(errors.UnionRpcError, match="unavailable"):
        await read(plane, away=away)
    assert asyncio.get_running_loop().time() == pytest.approx(600, abs=10)


@pytest.mark.looptime
async def test_a_stream_that_says_nothing_is_opened_again() -> None:
    """The control plane was stopped by a signal: connections stay, and nobody answers."""
    plane = FakePlane()
    plane.stream("watch_x", [1, asyncio.sleep(1_000)], [asyncio.sleep(1_000)], [1, 2])
    assert await read(plane, 3) == [1, 1, 2]
    assert 40 < asyncio.get_running_loop().time() < 45


async def test_of_two_readers_only_the_first_gives_up_their_connection() -> None:
    session = _session.Session(endpoint="http://127.0.0.1:9", insecure=True)
    lost = await session.control_plane()
    first = await session.reconnected(lost)
    second = await session.reconnected(lost)
    assert first is second
    assert first is not lost
    await session.link.drop(first)
