"""When a report is written: at once, but not again before a pause that grows with the work of a write.

A write in place (small, local disk) happens in the caller's thread; all others happen on the background loop, one after
the other.  So an older state never comes after a newer one.
"""

import asyncio
import logging
import threading
from collections.abc import Collection, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flyte import errors, storage
from flyte._kit import aio, clock, masking
from flyte.storage import digests

if TYPE_CHECKING:
    from flyte.report._report import Report

Settings = Mapping[str, str] | None
"""Settings of the object store, as `flyte.storage` takes them."""

_log = logging.getLogger("flyte.report")

_SHORTEST_PAUSE = 0.25
_WORK_TO_PAUSE = 10
"""Writing takes at most this share of the time: a pause is so many times as long as the write before it."""
_LONGEST_PAUSE = 15.0
_SMALL = 1 << 20
"""Bytes up to which a local write takes no longer than handing it to another thread."""


class Publisher:
    """Writes one report to one address.

    Args:
        report: what to write.
        uri: where to.
        settings: of the object store.
        hidden: values that it must not have.
    """

    def __init__(
        self,
        report: "Report",
        uri: str,
        settings: Settings = None,
        *,
        hidden: Collection[str] = (),
    ) -> None:
        self.uri = uri
        self.written: str | None = None
        """The address once something was written there."""
        self._report = report
        self._settings = settings
        self._hidden = hidden
        self._guard = threading.Lock()
        self._in_place = threading.Lock()
        self._order = asyncio.Lock()  # of the background loop
        self._due = 0.0
        self._away = 0
        """Writes on the background loop that have not ended, those that wait for their time included."""
        self._scheduled = False
        self._closed = False
        self._digest: str | None = None
        self._warned = False

    def flush(self) -> Coroutine[Any, Any, None] | None:
        """Write now, or when the pause since the last write is over.

        Returns:
            What the background loop must do now; None when nothing is left to wait for.
        """
        with self._guard:
            if self._closed or self._scheduled:
                return None
            wait = self._due - clock.monotonic()
            if wait > 0 or self._away:
                self._scheduled = True
                self._away += 1
                aio.background().submit(self._write_later(max(wait, 0)))
                return None
            self._due = clock.monotonic() + _SHORTEST_PAUSE
        return self._now()

    def close(self) -> Coroutine[Any, Any, None] | None:
        """Write the last state, unless it is there already or there is nothing to say; as `flush`, without a pause."""
        with self._guard:
            self._closed = True
        return self._now()

    def _now(self) -> Coroutine[Any, Any, None] | None:
        with self._guard:
            size = sum(len(part) for tab in self._report.tabs.values() for part in tab.content)
            if not self._away and size <= _SMALL and storage.is_local(self.uri):
                here = True
            else:
                here = False
                self._away += 1
        if not here:
            return self._write_away()
        with self._in_place, self._measured():
            pieces = self._pieces()
            if pieces:
                aio.drive(self._put(pieces))
        return None

    async def _write_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with self._guard:
            self._scheduled = False
        await self._write_away()

    async def _write_away(self) -> None:
        try:
            async with self._order:
                with self._measured():
                    # The background loop has others to serve while a large page is put together.
                    pieces = await asyncio.to_thread(self._pieces)
                    if pieces:
                        await self._put(pieces)
        finally:
            with self._guard:
                self._away -= 1

    @contextmanager
    def _measured(self) -> Generator[None]:
        """Around a write: what fails is said once, and the pause after it is set."""
        began = clock.monotonic()
        try:
            yield
        except (errors.BaseRuntimeError, OSError) as error:
            if not self._warned:
                self._warned = True
                _log.warning(
                    "the report %s cannot be written: %s; the task goes on", self.uri, error
                )
        ended = clock.monotonic()
        pause = min(max(_SHORTEST_PAUSE, (ended - began) * _WORK_TO_PAUSE), _LONGEST_PAUSE)
        self._due = ended + pause

    def _pieces(self) -> list[bytes]:
        """The page, unless it says what was written last, or nothing."""
        tabs = self._report.contents()
        digest = digests.digest(text.encode("utf-8", "replace") for tab in tabs for text in tab)
        if not tabs or digest == self._digest:
            return []
        self._digest = digest
        pieces = self._report.pieces()
        if self._hidden:  # a value may reach from one piece into the next
            pieces = [masking.masked("".join(pieces), self._hidden)]
        return [piece.encode("utf-8", "xmlcharrefreplace") for piece in pieces]

    async def _put(self, pieces: list[bytes]) -> None:
        try:
            await storage.write(self.uri, pieces, settings=self._settings)
        except BaseException:
            self._digest = None  # the next flush tries again
            raise
        self.written = self.uri
