"""SIGTERM as an exception: what coroutines, plain functions and forked processes get of it."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection

import pytest

from flyte._kit.signals import sigterm_interrupts

pytestmark = pytest.mark.usefixtures("own_ctrl_c")


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def until_cancelled(cleaned: list[str]) -> None:
    ask()
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        cleaned.append("awaited while cleaning up")


def test_a_coroutine_is_cancelled_and_may_await_while_it_cleans_up() -> None:
    cleaned: list[str] = []
    with sigterm_interrupts() as ending, pytest.raises(KeyboardInterrupt):
        asyncio.run(until_cancelled(cleaned))
    assert cleaned
    assert ending.asked


def test_a_process_that_ignores_ctrl_c_is_cancelled_all_the_same() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cleaned: list[str] = []
    with sigterm_interrupts(), pytest.raises(KeyboardInterrupt):
        asyncio.run(until_cancelled(cleaned))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert cleaned


def test_a_coroutine_that_catches_its_cancellation_goes_on() -> None:
    async def stubborn() -> str:
        ask()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "went on"
        return "slept"

    with sigterm_interrupts() as ending:
        assert asyncio.run(stubborn()) == "went on"
    assert ending.asked


def ask_and_sleep() -> None:
    ask()
    time.sleep(60)


def test_plain_code_is_interrupted_where_it_is() -> None:
    with sigterm_interrupts() as ending, pytest.raises(KeyboardInterrupt):
        ask_and_sleep()
    assert ending.asked


def test_who_catches_exceptions_does_not_catch_an_interrupt() -> None:
    with sigterm_interrupts(), pytest.raises(KeyboardInterrupt), suppress(Exception):
        ask_and_sleep()


def say_and_sleep(ready: Connection) -> None:
    ready.send("ready")
    time.sleep(60)


def test_a_forked_process_ends_of_it_as_ever() -> None:
    ours, theirs = multiprocessing.Pipe()
    with sigterm_interrupts() as ending:
        forking = multiprocessing.get_context("fork")
        child = forking.Process(target=say_and_sleep, args=(theirs,))
        child.start()
        ours.recv()  # Python forgets a signal that comes while a process is being forked
        child.terminate()
        child.join()
    assert child.exitcode == -signal.SIGTERM
    assert not ending.asked


def test_a_handler_of_the_users_own_stays() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with sigterm_interrupts():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ask()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_afterwards_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_interrupts():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_have_no_signals() -> None:
    asked: list[bool] = []

    def elsewhere() -> None:
        with sigterm_interrupts() as ending:
            asked.append(ending.asked)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert asked == [False]
