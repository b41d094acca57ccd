"""RunLogsService, and the stream of lines behind it and behind its twin in the data proxy."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Generic, TypeVar

from connectrpc.request import RequestContext
from flyteidl2.common import identifier_pb2
from flyteidl2.logs.dataplane import payload_pb2
from flyteidl2.workflow import run_logs_service_connect, run_logs_service_pb2

from flyte_server.clock import Clock
from flyte_server.engine.bus import Topic, run_topic
from flyte_server.services.logs.book import LogBook, OneLog
from flyte_server.services.logs.reader import LogReader
from flyte_server.services.logs.records import SYSTEM, Line
from flyte_server.services.watching import Watching
from flyte_server.services.wire import ids, times

M = TypeVar("M")
Context = RequestContext[Any, Any]

_PAUSE_SECONDS = 0.25
_SHARE = 4
"""Of the time, a follower may use one part of so many: others are served, too."""
_ORIGINATORS = {SYSTEM: payload_pb2.LogLineOriginator.SYSTEM}
_USER = payload_pb2.LogLineOriginator.USER


class LogTail(Generic[M]):
    """The lines of one attempt, until it has ended and its log is read to its end."""

    def __init__(
        self,
        log: OneLog,
        *,
        clock: Clock,
        message: Callable[[list[payload_pb2.LogLine]], M],
    ) -> None:
        self.topic: Topic = run_topic(log.key.run_id)
        self.pause_seconds = _PAUSE_SECONDS
        self.rest_seconds = 0.0
        self.over = False
        self._log = log
        self._reader = LogReader(log.path)
        self._clock = clock
        self._message = message
        self._told: set[str] = set()

    async def look(self) -> Iterable[M]:
        # Asked before the file is read: what was written before the end is then read below.
        state = await self._log.state()
        before = self._clock.monotonic()
        lines = await asyncio.to_thread(self._reader.read, to_the_end=state.is_over)
        if not lines:
            lines = [line for line in state.events if line.text not in self._told]
            self._told |= {line.text for line in lines}
        self.over = (
            state.is_over and not lines and await asyncio.to_thread(self._log.is_whole, state)
        )
        # After some there may be more already.
        self.pause_seconds = 0.0 if lines else _PAUSE_SECONDS
        self.rest_seconds = (_SHARE - 1) * (self._clock.monotonic() - before)
        return (self._message([_line(line) for line in lines]),) if lines else ()

    def heartbeat(self) -> M:
        return self._message([])


class LogTails:
    """Opens log tails for both services that have them."""

    def __init__(self, book: LogBook, watching: Watching, clock: Clock) -> None:
        self._book = book
        self._watching = watching
        self._clock = clock

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
        action: identifier_pb2.ActionIdentifier,
        number: int,
        message: Callable[[list[payload_pb2.LogLine]], M],
    ) -> LogTail[M]:
        log = await self._book.open(ids.action(action), number)
        return LogTail(log, clock=self._clock, message=message)


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


def _line(line: Line) -> payload_pb2.LogLine:
    return payload_pb2.LogLine(
        message=line.text,
        originator=_ORIGINATORS.get(line.stream, _USER),
        timestamp=times.optional_timestamp(line.at_us),
    )
