"""LogService: an attempt's log as it is stored, piece by piece; and the search in the logs of a run."""

import asyncio
from collections.abc import Mapping

from flyte_server.domain.errors import Invalid
from flyte_server.services.logs import reader, records
from flyte_server.services.logs.book import LogBook, OneLog, State
from flyte_server.services.logs.files import Cursor, LogFiles
from flyte_server.services.logs.search import Query, Search
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import ActionName, RunName

_PAUSE_SECONDS = 0.2
_LONGEST_WAIT_MS = 2_000
_STREAMS = {"out": records.OUT, "err": records.ERR, "system": records.SYSTEM}


class LogService:
    """Reads logs in the place of the client, who makes lines of the records."""

    name = "LogService"

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self._search = Search()

    def methods(self) -> Mapping[str, Method]:
        return {"Read": self.read, "Search": self.search}

    async def read(self, request: Request) -> Payload:
        """`{project, domain, run, action?, attempt?, cursor?, wait_ms?, follows?} -> {attempt, records, cursor, events,
        over}`.

        `records` are the stored lines behind `cursor` as text, some hundred kilobytes at most; the next request says
        the `cursor` of this answer.  Without any, the answer waits for `wait_ms` (2,000 at most).  `events` are records
        of what became of an attempt without a process, all of them each time.  `over`: nothing more will come.  A
        client that `follows` is brought near the end of a log that grows faster than it reads, with a record about it.

        Raises:
            NotFound: there is no such action or attempt.
        """
        log = await self._book.open(_action(request), request.number("attempt", 0))
        cursor = _cursor(request.text("cursor", ""))
        files = LogFiles(log.path)
        follows = bool(request.fields.get("follows"))
        tries = min(request.number("wait_ms", 0), _LONGEST_WAIT_MS) / 1000 / _PAUSE_SECONDS
        while True:
            state = await log.state()
            found, after = await asyncio.to_thread(
                _piece, files, cursor, is_over=state.is_over, follows=follows
            )
            over = state.is_over and not found and await asyncio.to_thread(log.is_whole, state)
            if found or over or tries < 1:
                return _answer(log, state, found, after, over=over)
            tries -= 1
            await self._book.clock.sleep(_PAUSE_SECONDS)

    async def search(self, request: Request) -> Payload:
        """`{project, domain, run, action?, attempt?, pattern, text?, stream?, since?, until?, context?, limit?} ->
        {matches, incomplete}`.

        `pattern` is a regular expression, or plain `text`; without an action all of the run are searched.  `stream` is
        `out`, `err` or `system`; `since` and `until` are microseconds since the epoch, as text.  `matches` are
        `{action, attempt, number, at, stream, text, fields?, before, after}` with up to `context` lines around them,
        `number` that of the line.  `incomplete` says why not everything was searched, else it is empty.

        Raises:
            NotFound: there is no such run.
            Invalid: the pattern is no regular expression.
            Unavailable: too many searches at the same time.
        """
        name = _action(request)
        folder = await self._book.folder(name)
        return await self._search.run(folder, _query(request, name.name))


def _action(request: Request) -> ActionName:
    run = RunName(
        ids.name(request.text("project"), where="project"),
        ids.name(request.text("domain"), where="domain"),
        ids.name(request.text("run"), where="run"),
    )
    return ActionName(run, ids.name(request.text("action", "a0"), where="action"))


def _cursor(text: str) -> Cursor:
    try:
        return Cursor.of(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no cursor of a log; send that of the last answer.") from error


def _piece(files: LogFiles, cursor: Cursor, *, is_over: bool, follows: bool) -> tuple[str, Cursor]:
    """Stored lines as text."""
    notice = ""
    if follows and not is_over:
        missed, cursor = reader.hurried(files, cursor)
        if missed:
            notice = records.record(0, missed, kind=records.GAP)
    content, cursor = files.read(cursor, to_the_end=is_over, most=reader.READ_BYTES)
    return notice + content.decode("utf-8", errors="replace"), cursor


def _answer(log: OneLog, state: State, found: str, after: Cursor, *, over: bool) -> Payload:
    told = "".join(records.record(line.at_us or 0, line.text) for line in state.events)
    return {
        "attempt": log.number,
        "records": found,
        "cursor": str(after),
        "events": told,
        "over": over,
    }


def _query(request: Request, action: str) -> Query:
    stream = request.text("stream", "")
    if stream and stream not in _STREAMS:
        raise Invalid(f"{stream!r} is no stream of a log; write out, err or system.")
    return Query(
        pattern=request.text("pattern"),
        is_text=bool(request.fields.get("text")),
        action=action if request.fields.get("action") else "",
        attempt=request.number("attempt", 0),
        stream=_STREAMS.get(stream, ""),
        since_us=_moment(request, "since"),
        until_us=_moment(request, "until"),
        context=request.number("context", 0),
        limit=request.number("limit", 1000),
    )


def _moment(request: Request, name: str) -> int:
    text = request.text(name, "0")
    if not text.isdecimal():
        raise Invalid(f"{name} needs microseconds since the epoch, but got {text!r}.")
    return int(text)
