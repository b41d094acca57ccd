"""Waiting for somebody who is away: for how long already, what is said meanwhile, and when it is too long."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from flyte._kit import clock

A_DAY_SECONDS = 86_400.0


class Absence:
    """Somebody is asked again and again, and does not answer.

    All who ask the same one may share an absence: it begins with the first question without an answer and ends with
    the next answer, whoever gets it.  It is bounded by time, not by the number of tries.

    Args:
        who: who is away, for the sentences.
        say: takes the sentences.
        limit_seconds: after this long it is given up.
        first_seconds: shorter absences are not worth a word.
        every_seconds: how often it is said again; None: once.
    """

    def __init__(
        self,
        who: str,
        *,
        say: Callable[[str], None],
        limit_seconds: float = A_DAY_SECONDS,
        first_seconds: float = 5.0,
        every_seconds: float | None = 60.0,
    ) -> None:
        self._who = who
        self._say = say
        self._limit_seconds = limit_seconds
        self._first_seconds = first_seconds
        self._every_seconds = every_seconds
        self._began: float | None = None
        self._since = ""
        self._say_at: float | None = None
        self._said = False

    def missed(self, error: Exception, *, waited_seconds: float = 0.0) -> None:
        """A question got no answer, after it was waited for so long.

        Raises:
            Exception: `error` itself, when the absence lasts too long.
        """
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now - waited_seconds
            self._say_at = self._began + self._first_seconds
            began = clock.now().astimezone() - timedelta(seconds=waited_seconds)
            self._since = f"{began:%H:%M:%S}"
        if now - self._began >= self._limit_seconds:
            raise error
        if self._say_at is not None and now >= self._say_at:
            self._say(f"{self._who} has been away since {self._since}, waiting ({error})")
            self._said = True
            self._say_at = None if self._every_seconds is None else now + self._every_seconds

    def answered(self) -> None:
        """An answer came."""
        if self._said:
            self._say(f"{self._who} is back")
        self._began, self._said = None, False
