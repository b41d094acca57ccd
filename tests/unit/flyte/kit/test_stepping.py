"""Coroutines without an event loop, and how they know that nobody would wait for them."""

import asyncio

import pytest

from flyte._kit import stepping


async def asked() -> bool:
    return stepping.may_wait()


def test_without_a_loop_nobody_waits() -> None:
    assert not stepping.may_wait()
    assert stepping.drive(asked()) is False


async def test_on_a_loop_only_what_is_awaited_may_wait() -> None:
    assert stepping.may_wait()
    assert await asked()
    # Stepped in place on this loop: the loop does not go on until `drive` returns.
    assert stepping.drive(asked()) is False
    assert stepping.may_wait()


def test_a_loop_inside_of_drive_may_be_waited_on() -> None:
    async def with_a_loop_of_its_own() -> bool:
        return await asyncio.to_thread(lambda: None) is None and stepping.may_wait()

    async def stepped() -> bool:
        runner = asyncio.Runner()
        try:
            return runner.run(with_a_loop_of_its_own())
        finally:
            runner.close()

    assert stepping.drive(stepped())


async def test_a_coroutine_that_waits_after_all_is_told() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited although its caller cannot wait"):
        stepping.drive(waits())
    assert stepping.may_wait()
