"""RunLogsService, and the log tail behind it: an attempt's file, read while it grows."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from connectrpc.request import RequestContext
from flyteidl2.common import identifier_pb2
from flyteidl2.logs.dataplane import payload_pb2
from flyteidl2.workflow import run_logs_service_connect, run_logs_service_pb2

from flyte_server.domain.errors import NotFound
from flyte_server.domain.records import Attempt
from flyte_server.engine.bus import Topic, run_topic
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.launch.specs import log_path
from flyte_server.services.watching import Watching
from flyte_server.services.wire import ids
from flyte_server.settings import Settings
from flyte_server.store import actions
from flyte_server.store.database import Database

M = TypeVar("M")
Context = RequestContext[Any, Any]

LINES_IN_A_BATCH = 500
LONGEST_LINE = 64 * 1024
"""Bytes; a longer line is told in pieces."""
_READ_BYTES = 1024 * 1024
_PAUSE_SECONDS = 0.25
_USER = payload_pb2.LogLineOriginator.USER


class LogReader:
    """Complete lines of a growing file, batch by batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""

    def read(self, *, to_the_end: bool) -> list[str]:
        """Up to `LINES_IN_A_BATCH` further lines; none if there is nothing new.

        Args:
            to_the_end: nothing more will be written, so a last line without a newline is a line
                too.
        """
        if len(self._rest) < _READ_BYTES:
            self._more()
        *whole, last = self._rest.split(b"\n", LINES_IN_A_BATCH)
        if not whole and len(last) > LONGEST_LINE:
            end = _character_end(last, LONGEST_LINE)
            whole, last = [last[:end]], last[end:]
        if not whole and to_the_end and last:
            whole, last = [last], b""
        self._rest = last
        return [piece for line in whole for piece in _pieces(line)]

    def _more(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                content = file.read(_READ_BYTES)
        except FileNotFoundError:
            return
        self._position += len(content)
        self._rest += content


class LogTail(Generic[M]):
    """The lines of one attempt, until it has ended and its file is read to its end."""

    def __init__(
        self,
        run_id: int,
        reader: LogReader,
        *,
        ended: Callable[[], Any],
        message: Callable[[list[payload_pb2.LogLine]], M],
    ) -> None:
        self.topic: Topic = run_topic(run_id)
        self.pause_seconds = _PAUSE_SECONDS
        self.rest_seconds = 0.0
        self.over = False
        self._reader = reader
        self._ended = ended
        self._message = message

    async def look(self) -> Iterable[M]:
        ended = (
            await self._ended()
        )  # before the file: what was written before the end is then read below
        lines = await asyncio.to_thread(self._reader.read, to_the_end=ended)
        self.over = ended and not lines
        self.pause_seconds = (
            0.0 if lines else _PAUSE_SECONDS
        )  # after some there may be more already
        if not lines:
            return ()
        return (self._message([_line(text) for text in lines]),)

    def heartbeat(self) -> M:
        return self._message([])


class LogTails:
    """Opens log tails for both services that have them."""

    def __init__(
        self, settings: Settings, database: Database, directory: Directory, watching: Watching
    ) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory
        self._watching = watching

    def follow(
        self,
        action: identifier_pb2.ActionIdentifier,
        attempt: int,
        message: Callable[[list[payload_pb2.LogLine]], M],
    ) -> AsyncIterator[M]:
        """The stream of an attempt's lines.

        Args:
            attempt: its number; 0 means the newest.
            message: makes a response of lines.
        """
        return self._watching.follow(functools.partial(self._open, action, attempt, message))

    async def _open(
        self,
        message_id: identifier_pb2.ActionIdentifier,
        number: int,
        message: Callable[[list[payload_pb2.LogLine]], M],
    ) -> LogTail[M]:
        name = ids.action(message_id)
        facts, action = await self._directory.action(name)
        number = number or max(action.attempt, 1)
        if await self._attempt(facts, name.name, number) is None:
            raise NotFound(
                f"Attempt {number} of action {name.name!r} has not started, so it has no log (yet)."
            )
        path = Path(log_path(self._settings, facts, name.name, number))

        async def ended() -> bool:
            attempt = await self._attempt(facts, name.name, number)
            return attempt is None or attempt.phase.terminal

        return LogTail(facts.run.id, LogReader(path), ended=ended, message=message)

    async def _attempt(self, facts: RunFacts, action: str, number: int) -> Attempt | None:
        found = await self._database.read(actions.attempts, facts.run.id, action)
        return next((attempt for attempt in found if attempt.number == number), None)


class RunLogsService(run_logs_service_connect.RunLogsService):
    """Tail logs under the name of the run service."""

    def __init__(self, tails: LogTails) -> None:
        self._tails = tails

    def tail_logs(
        self, request: run_logs_service_pb2.TailLogsRequest, ctx: Context
    ) -> AsyncIterator[run_logs_service_pb2.TailLogsResponse]:
        return self._tails.follow(request.action_id, request.attempt, _log_lines)


def _log_lines(lines: list[payload_pb2.LogLine]) -> run_logs_service_pb2.TailLogsResponse:
    if not lines:
        return run_logs_service_pb2.TailLogsResponse()
    logs = run_logs_service_pb2.TailLogsResponse.Logs(lines=lines)
    return run_logs_service_pb2.TailLogsResponse(logs=[logs])


def _line(text: str) -> payload_pb2.LogLine:
    return payload_pb2.LogLine(message=text, originator=_USER)


def _pieces(line: bytes) -> Iterable[str]:
    """A line as text, in pieces if it is very long; what is no UTF-8 is shown as U+FFFD."""
    line = line.removesuffix(b"\r")
    while len(line) > LONGEST_LINE:
        end = _character_end(line, LONGEST_LINE)
        yield line[:end].decode("utf-8", errors="replace")
        line = line[end:]
    yield line.decode("utf-8", errors="replace")


def _character_end(text: bytes, limit: int) -> int:
    """Where to cut at most `limit` bytes so that no UTF-8 character is cut in two."""
    for end in range(limit, limit - 4, -1):
        if text[end] & 0b1100_0000 != 0b1000_0000:
            return end
    return limit
