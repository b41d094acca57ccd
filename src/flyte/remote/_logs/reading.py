"""Log lines of an action, as they are written."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from flyteidl2.common import identifier_pb2
from flyteidl2.logs.dataplane import payload_pb2
from flyteidl2.workflow import run_logs_service_pb2

from flyte import _session, errors
from flyte.remote import _watching
from flyte.remote._details import ActionDetails
from flyte.remote._logs.records import Assembler, LogLine
from flyte.remote._record import moment
from flyte.syncify import syncify

if TYPE_CHECKING:
    from flyte._client import ControlPlane

_PAUSE_SECONDS = 0.5
_WAIT_MS = 1500
"""How long a request for more waits at the control plane."""
_SHORT_WAIT_MS = 200
"""The same while there is a line that is shown unless it goes on."""


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
    async with _watching.closing(records(action_id, attempt=attempt)) as found:
        async for line in found:
            if not (filter_system and line.stream == "system"):
                yield text(line, show_ts=show_ts)


async def records(
    action_id: identifier_pb2.ActionIdentifier,
    *,
    attempt: int | None = None,
    follows: bool = False,
) -> AsyncIterator[LogLine]:
    """As `lines`, with time and stream of each.

    Args:
        follows: of a log that grows faster than it is read, leave out what cannot be shown in time; a line says so.
    """
    first = await ActionDetails.get_details.aio(action_id)
    number: int | None = attempt or max(first.attempts, 1)
    while number is not None:
        async with _watching.closing(_attempt(action_id, number, follows=follows)) as found:
            async for line in found:
                yield line
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


def text(line: LogLine, *, show_ts: bool) -> str:
    """A line as it is shown."""
    return f"{line.at.isoformat()} {line.text}" if show_ts and line.at else line.text


async def search(
    action_id: identifier_pb2.ActionIdentifier, wanted: dict[str, Any]
) -> dict[str, Any]:
    """Let the control plane search the logs of a run.

    Args:
        action_id: whose run; without a name in it, all actions are searched.
        wanted: the fields of `LogService/Search`.

    Raises:
        UnionRpcError: with the code `unimplemented` if the backend is another one.
    """
    plane = await _session.current().control_plane()
    return await plane.own("LogService", "Search", {**_named(action_id), **wanted})


def _named(action_id: identifier_pb2.ActionIdentifier) -> dict[str, Any]:
    run = action_id.run
    named = {"project": run.project, "domain": run.domain, "run": run.name}
    return named | ({"action": action_id.name} if action_id.name else {})


class _Log:
    """The lines of one attempt, each once: a request says how far the one before it has come."""

    def __init__(
        self, action_id: identifier_pb2.ActionIdentifier, number: int, *, follows: bool
    ) -> None:
        self._request = {**_named(action_id), "attempt": number}
        self._follows = follows
        self._public = _Tail(action_id, number)
        self._cursor = ""
        self._told: set[LogLine] = set()
        self._assembler = Assembler()
        self.is_over = False

    async def open(self, plane: "ControlPlane") -> AsyncIterator[list[LogLine]]:
        """Lines as they come; none now and then."""
        caught_up = False
        while not self.is_over:
            asked = {
                "cursor": self._cursor,
                "follows": self._follows and caught_up,
                "wait_ms": _SHORT_WAIT_MS if self._assembler.waits else _WAIT_MS,
            }
            try:
                answer = await plane.own("LogService", "Read", self._request | asked)
            except errors.UnionRpcError as error:
                if error.code != "unimplemented":
                    raise
                break
            yield self._taken(answer)
            caught_up = caught_up or not answer["records"]
        else:
            return
        async with _watching.closing(self._public.open(plane)) as responses:
            async for response in responses:
                yield list(self._public.unseen(response))

    async def lines(self) -> AsyncIterator[LogLine]:
        """Further lines, over lost connections."""
        batches = _watching.messages(self.open, reopen_at_end=False)
        async with _watching.closing(batches) as found:
            async for batch in found:
                for line in batch:
                    yield line

    def _taken(self, answer: dict[str, Any]) -> list[LogLine]:
        self._cursor, self.is_over = answer["cursor"], answer["over"]
        found = list(self._assembler.lines(answer["records"]))
        if not answer["records"]:
            found += self._assembler.rest()
        new = [line for line in _events(answer["events"]) if line not in self._told]
        self._told.update(new)
        return new + found


def _events(told: str) -> list[LogLine]:
    return list(Assembler().lines(told))


class _Tail:
    """The same from a backend that has only the public protocol, where every stream starts with the first line."""

    def __init__(self, action_id: identifier_pb2.ActionIdentifier, number: int) -> None:
        self._request = run_logs_service_pb2.TailLogsRequest(action_id=action_id, attempt=number)
        self._position = 0
        self._seen = 0

    def open(self, plane: "ControlPlane") -> AsyncIterator[run_logs_service_pb2.TailLogsResponse]:
        self._position = 0
        return plane.run_logs.tail_logs(self._request)

    def unseen(self, response: run_logs_service_pb2.TailLogsResponse) -> Iterator[LogLine]:
        for group in response.logs:
            for line in group.lines:
                self._position += 1
                if self._position > self._seen:
                    self._seen = self._position
                    yield _of_message(line)


def _of_message(line: payload_pb2.LogLine) -> LogLine:
    return LogLine(
        line.message.rstrip("\n"),
        moment(line.timestamp) if line.HasField("timestamp") else None,
        "system" if line.originator == payload_pb2.SYSTEM else "out",
    )


async def _attempt(
    action_id: identifier_pb2.ActionIdentifier, number: int, *, follows: bool
) -> AsyncIterator[LogLine]:
    log = _Log(action_id, number, follows=follows)
    while True:
        missing = False
        try:
            async with _watching.closing(log.lines()) as found:
                async for line in found:
                    yield line
        except errors.UnionRpcError as error:
            if error.code != "not_found":
                raise
            missing = True
        if log.is_over:
            return
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
