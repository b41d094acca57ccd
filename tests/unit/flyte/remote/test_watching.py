from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fakes.remote_plane import FakePlane, attached, gone

from flyte import _session, errors
from flyte.remote import _watching


async def read(
    plane: FakePlane, wanted: int | None = None, *, reopen_at_end: bool = True
) -> list[Any]:
    """The messages of `watch_x`, up to `wanted` of them."""
    found: list[Any] = []

    def opened(connected: Any) -> AsyncIterator[Any]:
        return connected.watch_x(None)

    with _session.using(attached(plane)):
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
async def test_a_control_plane_that_stays_away_is_reported_after_some_minutes() -> None:
    plane = FakePlane()
    plane.stream("watch_x", *([gone()] for _ in range(100)))
    with pytest.raises(errors.UnionRpcError, match="unavailable"):
        await read(plane)
    assert 50 < len(plane.asked) < 100
