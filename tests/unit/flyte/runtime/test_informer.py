"""Following children: snapshots, reconnects, no waiting for what will never come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.common import phase_pb2

from flyte import errors
from flyte._kit.absence import Absence
from flyte._runtime.informer import Informer

pytestmark = pytest.mark.looptime

RUNNING = phase_pb2.ACTION_PHASE_RUNNING
SUCCEEDED = phase_pb2.ACTION_PHASE_SUCCEEDED
FAILED = phase_pb2.ACTION_PHASE_FAILED


def update(name: str, phase: phase_pb2.ActionPhase, uri: str = "") -> WatchForUpdatesResponse:
    response = WatchForUpdatesResponse()
    response.action_update.action_id.name = name
    response.action_update.phase = phase
    response.action_update.output_uri = uri
    return response


def sentinel() -> WatchForUpdatesResponse:
    response = WatchForUpdatesResponse()
    response.control_message.sentinel = True
    return response


Step = WatchForUpdatesResponse | float | BaseException
"""What a scripted stream does: send, wait some seconds, or break."""


class Streams:
    """Plays one script per connection; after the last one a stream stays open and is silent."""

    def __init__(self, *scripts: list[Step]) -> None:
        self.scripts: Iterator[list[Step]] = iter(scripts)
        self.opened = 0

    async def __call__(self) -> AsyncIterator[WatchForUpdatesResponse]:
        self.opened += 1
        script = next(self.scripts, None)
        for step in script or ():
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step
        if script is None:
            await asyncio.Event().wait()


OPEN: Step = 10_000.0
BROKEN = errors.UnionRpcError("unavailable", "gone")


async def test_what_was_finished_before_is_known_when_ready() -> None:
    informer = Informer(Streams([update("a", SUCCEEDED, "/a/1"), update("b", RUNNING), sentinel()]))
    await informer.ready()
    assert informer.known("a").output_uri == "/a/1"
    assert informer.known("b").phase == RUNNING
    assert informer.known("c") is None
    await informer.aclose()


async def test_a_slow_snapshot_is_waited_for_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    informer = Informer(Streams([7.0, update("a", SUCCEEDED), sentinel(), OPEN]))
    started = asyncio.get_running_loop().time()
    with caplog.at_level(logging.WARNING):
        await informer.ready()
    assert asyncio.get_running_loop().time() - started == pytest.approx(7)
    assert informer.known("a") is not None
    assert "still waiting" in caplog.text
    await informer.aclose()


async def test_the_end_of_a_child_wakes_its_caller() -> None:
    informer = Informer(Streams([sentinel(), 1.0, update("a", RUNNING), 1.0, update("a", FAILED)]))
    assert (await informer.terminal("a")).phase == FAILED
    await informer.aclose()


async def test_a_terminal_phase_is_never_left() -> None:
    informer = Informer(
        Streams(
            [update("a", SUCCEEDED, "/1"), update("a", RUNNING), update("a", FAILED), sentinel()]
        )
    )
    await informer.ready()
    assert (await informer.terminal("a")).output_uri == "/1"
    await informer.aclose()


async def test_a_broken_stream_is_opened_again_and_tells_everything() -> None:
    streams = Streams(
        [update("a", RUNNING), sentinel(), BROKEN],
        [BROKEN],
        [],
        [update("a", SUCCEEDED), sentinel(), OPEN],
    )
    informer = Informer(streams)
    assert (await informer.terminal("a")).phase == SUCCEEDED
    assert streams.opened == 4
    await informer.aclose()


async def test_a_silent_stream_is_opened_again() -> None:
    streams = Streams([sentinel(), OPEN], [update("a", SUCCEEDED), sentinel(), OPEN])
    informer = Informer(streams)
    await informer.terminal("a")
    assert streams.opened == 2
    await informer.aclose()


async def test_heartbeats_keep_a_stream_open() -> None:
    beats: list[Step] = [10.0, sentinel()] * 20
    streams = Streams([sentinel(), *beats, update("a", SUCCEEDED), OPEN])
    informer = Informer(streams)
    await informer.terminal("a")
    assert streams.opened == 1
    await informer.aclose()


async def test_ten_minutes_without_a_control_plane_are_waited_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    streams = Streams(*[[BROKEN]] * 200, [update("a", SUCCEEDED), sentinel(), OPEN])
    started = asyncio.get_running_loop().time()
    informer = Informer(streams)
    with caplog.at_level(logging.WARNING):
        assert (await informer.terminal("a")).phase == SUCCEEDED
    waited = asyncio.get_running_loop().time() - started
    assert waited > 600
    told = [line for line in caplog.messages if "has been away since" in line]
    assert waited / 60 - 1 <= len(told) <= waited / 60 + 1, "a line every minute"
    assert "gone" in told[0], "why, as far as anybody knows"
    assert caplog.messages[-1] == "the control plane is back"
    await informer.aclose()


async def test_a_control_plane_that_accepts_and_says_nothing_is_waited_out() -> None:
    """Stopped by a signal: the kernel takes the connections, and nobody answers."""
    streams = Streams(*[[OPEN]] * 10, [update("a", SUCCEEDED), sentinel(), OPEN])
    informer = Informer(streams)
    assert (await informer.terminal("a")).phase == SUCCEEDED
    assert streams.opened == 11
    await informer.aclose()


async def test_a_control_plane_that_is_gone_for_too_long_is_given_up() -> None:
    streams = Streams(*[[BROKEN]] * 1_000)
    away = Absence("the control plane", say=lambda sentence: None, limit_seconds=600)
    informer = Informer(streams, away)
    with pytest.raises(errors.UnionRpcError, match="gone"):
        await informer.terminal("a")
    assert asyncio.get_running_loop().time() == pytest.approx(600, abs=10)
    with pytest.raises(errors.UnionRpcError, match="gone"):
        await informer.ready()
    with pytest.raises(errors.UnionRpcError, match="gone"):
        await informer.terminal("b")
    await informer.aclose()


@pytest.mark.parametrize("code", ["not_found", "aborted", "permission_denied"])
async def test_a_refusal_for_good_comes_at_once(code: str) -> None:
    streams = Streams([errors.UnionRpcError(code, "no such run")])
    informer = Informer(streams)
    with pytest.raises(errors.UnionRpcError, match="no such run"):
        await informer.ready()
    assert streams.opened == 1


async def test_nobody_hangs_on_a_fault_of_ours() -> None:
    informer = Informer(Streams([ValueError("a bug")]))
    with pytest.raises(errors.RuntimeSystemError, match="a bug"):
        await informer.terminal("a")


async def test_closing_ends_the_waiting() -> None:
    informer = Informer(Streams())
    waiting = asyncio.create_task(informer.terminal("a"))
    await asyncio.sleep(0)
    await informer.aclose()
    with pytest.raises(errors.RuntimeSystemError, match="closed"):
        await waiting


async def test_a_cancelled_caller_disturbs_nobody() -> None:
    informer = Informer(Streams([sentinel(), 1.0, update("a", SUCCEEDED), OPEN]))
    impatient, patient = (asyncio.create_task(informer.terminal("a")) for _ in range(2))
    await asyncio.sleep(0.5)
    impatient.cancel()
    assert (await patient).phase == SUCCEEDED
    await informer.aclose()
