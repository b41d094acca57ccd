"""Log lines of an action, as they are written."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from flyteidl2.common import identifier_pb2
from flyteidl2.logs.dataplane import payload_pb2
from flyteidl2.workflow import run_logs_service_pb2

from flyte import errors
from flyte.remote import _watching
from flyte.remote._details import ActionDetails
from flyte.remote._record import moment
from flyte.syncify import syncify

if TYPE_CHECKING:
    from flyte._client import ControlPlane

_PAUSE_SECONDS = 0.5


@syncify
async def lines(
    action_id: identifier_pb2.ActionIdentifier,
    *,
    attempt: int | None = None,
    filter_system: bool = False,
    show_ts: bool = False,
) -> AsyncIterator[str]:
    """The log of an action line by line, without line ends; that of a running one as it is written, to its end.

    Args:
        attempt: number of the attempt, from 1 (default: the latest, and those that follow it).
        filter_system: leave out what the platform itself wrote.
        show_ts: put the time (UTC) before each line.

    Raises:
        ActionNotFoundError: there is no such action.
        LogsNotYetAvailableError: the action ended without having written any.
    """
    first = await ActionDetails.get_details.aio(action_id)
    number: int | None = attempt or max(first.attempts, 1)
    while number is not None:
        async with _watching.closing(_attempt(action_id, number)) as found:
            async for line in found:
                if not (filter_system and line.originator == payload_pb2.SYSTEM):
                    yield _text(line, show_ts=show_ts)
        number = None if attempt else await _next_attempt(action_id, number)


@syncify
async def show(
    action_id: identifier_pb2.ActionIdentifier,
    *,
    attempt: int | None,
    max_lines: int,
    raw: bool,
    filter_system: bool,
    show_ts: bool,
) -> None:
    """Write the log to standard output: all of it if `raw` or still running, else the last `max_lines`."""
    details = await ActionDetails.get_details.aio(action_id)
    found = lines.aio(action_id, attempt=attempt, filter_system=filter_system, show_ts=show_ts)
    async with _watching.closing(found):
        if raw or not details.done():
            async for line in found:
                sys.stdout.write(f"{line}\n")
            return
        last: deque[str] = deque(maxlen=max_lines)
        async for line in found:
            last.append(line)
    sys.stdout.writelines(f"{line}\n" for line in last)


class _Tail:
    """The lines of one attempt, each once, though every stream that is opened starts with the first line."""

    def __init__(self, action_id: identifier_pb2.ActionIdentifier, number: int) -> None:
        self._request = run_logs_service_pb2.TailLogsRequest(action_id=action_id, attempt=number)
        self._position = 0
        self._seen = 0

    def open(self, plane: "ControlPlane") -> AsyncIterator[run_logs_service_pb2.TailLogsResponse]:
        self._position = 0
        return plane.run_logs.tail_logs(self._request)

    def unseen(
        self, response: run_logs_service_pb2.TailLogsResponse
    ) -> Iterator[payload_pb2.LogLine]:
        for group in response.logs:
            for line in group.lines:
                self._position += 1
                if self._position > self._seen:
                    self._seen = self._position
                    yield line


async def _attempt(
    action_id: identifier_pb2.ActionIdentifier, number: int
) -> AsyncIterator[payload_pb2.LogLine]:
    tail = _Tail(action_id, number)
    while True:
        missing = False
        try:
            async with _watching.closing(
                _watching.messages(tail.open, reopen_at_end=False)
            ) as responses:
                async for response in responses:
                    for line in tail.unseen(response):
                        yield line
        except errors.UnionRpcError as error:
            if error.code != "not_found":
                raise
            missing = True
        details = await ActionDetails.get_details.aio(action_id)
        if details.attempt_ended(number):
            if missing:
                raise errors.LogsNotYetAvailableError(
                    f"action {details.run_name}/{details.name} wrote no logs in attempt {number}"
                )
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _next_attempt(action_id: identifier_pb2.ActionIdentifier, number: int) -> int | None:
    """The attempt that follows `number`, once there is one; None when the action has ended."""
    while True:
        details = await ActionDetails.get_details.aio(action_id)
        if details.attempts > number:
            return number + 1
        if details.done():
            return None
        await asyncio.sleep(_PAUSE_SECONDS)


def _text(line: payload_pb2.LogLine, *, show_ts: bool) -> str:
    message = line.message.rstrip("\n")
    return f"{moment(line.timestamp).isoformat()} {message}" if show_ts else message
