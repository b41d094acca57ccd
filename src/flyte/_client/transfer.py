"""Bytes to and from signed addresses, outside of the Connect services.

Everything streams: a transfer holds a piece of about a megabyte, whatever the size of the file.  A
broken or stalled connection is tried again after a pause; a refusal comes at once, with the class
of `flyte.errors` that says what to do.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import pyqwest

from flyte import errors
from flyte._client.contents import Content
from flyte._kit.backoff import Backoff
from flyte.storage.digests import Hasher

STALL_SECONDS = 60.0
"""A transfer of which nothing moves for so long is given up, and tried again."""

CHECKSUM_HEADER = "x-content-xxh3"
"""In the answer of our own control plane to a PUT: the checksum of what it stored."""

Piece = bytes | bytearray | memoryview
Sink = Callable[[Piece], Awaitable[None]]
"""Takes the pieces of a download, in order."""

_TRIES = 5
_PAUSES = Backoff(base=0.2, factor=2, cap=5, jitter=0.2)
_DONE = frozenset({200, 201, 204})
_LONGEST_REASON = 300
_KINDS: Mapping[int, type[errors.StorageError]] = {
    401: errors.StorageAccessError,
    403: errors.StorageAccessError,
    404: errors.StorageNotFoundError,
    410: errors.StorageNotFoundError,
    507: errors.StorageFullError,
}


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a content from `first` up to, not including, `end`, and which content it is."""

    first: int
    end: int
    etag: str


class Refused(Exception):  # noqa: N818 - named by what happened
    """A server answered a request otherwise than by doing it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason[:_LONGEST_REASON]}".strip())
        self.status = status


PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may go well later."""

PROBLEMS = (
    OSError,
    pyqwest.ReadError,
    pyqwest.WriteError,
    pyqwest.RemoteProtocolError,
    pyqwest.StreamError,
    Refused,
)
"""What a try may end with; `Tries` decides whether it is tried again."""


class Tries:
    """How often a transfer is tried again: four times, counted anew when something has moved.

    Args:
        what: the method.
        url: its query, which has the signature, is not told.
        passing: statuses worth another try.
    """

    def __init__(self, what: str, url: str, *, passing: frozenset[int] = PASSING) -> None:
        address, _, self._secret = url.partition("?")
        self._what = f"{what} {address}"
        self._passing = passing
        self._failed = 0

    def moved(self) -> None:
        """Something has arrived: the connection is worth further tries."""
        self._failed = 0

    async def pause(self, problem: Exception) -> None:
        """Wait before the next try.

        Raises:
            flyte.errors.StorageError: there is none; it names the address, without its signature.
        """
        self._failed += 1
        final = isinstance(problem, Refused) and problem.status not in self._passing
        if final or self._failed == _TRIES:
            reason = str(problem) or type(problem).__name__
            if self._secret:  # the library's messages, and so a cause, have the whole address
                reason = reason.replace(f"?{self._secret}", "")
            raise _kind(problem)(f"{self._what} failed: {reason}") from None
        await asyncio.sleep(_PAUSES.delay(self._failed - 1))


def _kind(problem: Exception) -> type[errors.StorageError]:
    if isinstance(problem, errors.StorageError):
        return type(problem)
    if isinstance(problem, Refused):
        return _KINDS.get(problem.status, errors.StorageError)
    return errors.StorageTimeoutError if isinstance(problem, TimeoutError) else errors.StorageError


async def put(
    client: pyqwest.Client, url: str, content: Content, headers: Mapping[str, str]
) -> None:
    """PUT a content to a signed address.

    Args:
        url: from `DataProxyService.CreateUploadLocation`.
        headers: those that the service asked to repeat.

    Raises:
        flyte.errors.StorageError: naming the address (without its signature) and the answer.
    """
    tries = Tries("PUT", url)
    sent = {name.lower(): value for name, value in headers.items()}
    sent["content-length"] = str(content.size)
    while True:
        try:
            return await _put_once(client, url, content, sent)
        except (*PROBLEMS, errors.DataCorruptionError) as problem:
            await tries.pause(problem)


async def _put_once(
    client: pyqwest.Client, url: str, content: Content, headers: Mapping[str, str]
) -> None:
    sending = _Sending(content)
    try:
        async with asyncio.timeout(STALL_SECONDS) as limit:
            answer = await client.execute("PUT", url, headers, sending.pieces(limit))
    except pyqwest.WriteError:
        if sending.failure is not None:  # what broke is on our side
            raise sending.failure from None
        raise
    if answer.status not in _DONE:
        raise Refused(answer.status, answer.text())
    sending.compare(answer.headers.get(CHECKSUM_HEADER))


class _Sending:
    """One try: the pieces pass by, and are remembered by their checksum."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._hasher = Hasher()
        self.failure: Exception | None = None

    async def pieces(self, limit: asyncio.Timeout) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(self._content.pieces()) as pieces:
                async for piece in pieces:
                    self._hasher.update(piece)
                    _extend(limit)
                    yield piece
        except errors.StorageError as error:
            self.failure = error
            raise

    def compare(self, stored: str | None) -> None:
        sent = self._hasher.digest().xxh3
        if stored is not None and stored != sent:
            raise errors.DataCorruptionError(
                f"the checksum of what was sent is {sent}, of what arrived {stored}"
            )


async def get(client: pyqwest.Client, url: str, span: Span, sink: Sink) -> None:
    """GET a part of what lies at a signed address, once; its pieces go to `sink` as they come.

    Raises:
        Refused: the server answers otherwise; 412 stands for another content than that of the span.
    """
    headers = {
        "range": f"bytes={span.first}-{span.end - 1}",
        "if-range": span.etag,
        "accept-encoding": "identity",
    }
    async with (
        asyncio.timeout(STALL_SECONDS) as limit,
        client.stream("GET", url, headers) as answer,
    ):
        if answer.status == 200 and answer.headers.get("etag") != span.etag:
            raise Refused(412, "the content has changed meanwhile; read it again")
        if answer.status != 206:
            raise Refused(answer.status, await _text(answer))
        async for piece in answer.content:
            await sink(piece)
            _extend(limit)


def _extend(limit: asyncio.Timeout) -> None:
    limit.reschedule(asyncio.get_running_loop().time() + STALL_SECONDS)


async def _text(answer: pyqwest.Response) -> str:
    """The beginning of what an error says."""
    said = b""
    async for piece in answer.content:
        said += bytes(piece)
        if len(said) > _LONGEST_REASON:
            break
    return said.decode(errors="replace")
