"""Conditions in a local run: the person at the terminal is asked."""

import asyncio
import select
import sys
import threading
import time

from flyte import errors
from flyte._context import Question
from flyte._wire.conditions import messages

_SLICE_SECONDS = 0.2
"""How soon a run that is interrupted stops to listen."""


class Terminal:
    """Asks one question after the other, whoever asks.

    Example:
        >>> await Terminal().ask(Question("release", "Release it?", bool))
        True
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    async def ask(self, asked: Question) -> bool | int | float | str:
        """The answer of the person at the terminal; a wrong one is asked for again.

        Raises:
            flyte.errors.ConditionFailedError: there is no terminal to ask in, or its input has ended.
            flyte.errors.ConditionTimedoutError: it took longer than the condition's timeout.
        """
        if not sys.stdin.isatty():
            raise errors.ConditionFailedError(
                f"condition {asked.name!r} waits for a person, and this local run has no terminal to ask in; run it"
                " under a control plane (flyte run without --local) and answer with: flyte signal condition"
            )
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(self._asked, asked, given_up)
        finally:
            given_up.set()

    def _asked(self, asked: Question, given_up: threading.Event) -> bool | int | float | str:
        with self._turn:
            if asked.description:
                _say(f"{asked.description}\n")
            until = (
                None if asked.timeout_seconds is None else time.monotonic() + asked.timeout_seconds
            )
            while True:
                _say(f"{asked.prompt} ({asked.type.__name__}): ")
                line = _line(asked, until, given_up)
                try:
                    return messages.parsed(line.rstrip("\n"), asked.type)
                except ValueError as error:
                    _say(f"{error}\n")


def _line(asked: Question, until: float | None, given_up: threading.Event) -> str:
    # Reading alone would keep the process from ending before somebody presses a key.
    while not select.select([sys.stdin], [], [], _SLICE_SECONDS)[0]:
        if until is not None and time.monotonic() > until:
            raise errors.ConditionTimedoutError(
                f"nobody answered the condition {asked.name!r} within {asked.timeout_seconds:g} s"
            )
        if given_up.is_set():
            raise errors.ConditionFailedError(
                f"condition {asked.name!r} is not waited for any more"
            )
    line = sys.stdin.readline()
    if not line:
        raise errors.ConditionFailedError(
            f"condition {asked.name!r} was not answered: the input has ended"
        )
    return line


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
