"""Uploads and downloads by signed address, against a server that answers what the test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pyqwest
import pytest

from flyte import errors
from flyte._client import transfer
from flyte._client.contents import BufferContent
from flyte._client.transfer import Span, Tries
from flyte.storage import digests

T = TypeVar("T")


def _next(values: list[T]) -> T:
    return values.pop(0) if len(values) > 1 else values[0]


@dataclass
class Server:
    """Answers requests with the given statuses, one after the other; the last one for ever."""

    statuses: list[int]
    content: bytes = b""
    answers: dict[str, list[str]] = field(default_factory=dict)
    """Headers of the answers, one after the other; the last one for ever."""
    base: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        status = _next(self.statuses)
        answer = [f"HTTP/1.1 {status} X", f"content-length: {len(self.content)}"]
        answer += [f"{name}: {_next(values)}" for name, values in self.answers.items()]
        answer += ["connection: close", "", ""]
        writer.write("\r\n".join(answer).encode() + self.content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(
    *statuses: int, content: bytes = b"", answers: Mapping[str, list[str]] | None = None
) -> AsyncIterator[Server]:
    server = Server(list(statuses), content, dict(answers or {}))
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


async def put(url: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
    async with pyqwest.HTTPTransport() as http:
        await transfer.put(pyqwest.Client(http), url, BufferContent([data]), headers or {})


async def get(url: str, span: Span) -> bytes:
    found = bytearray()

    async def sink(piece: transfer.Piece) -> None:
        found.extend(piece)

    async with pyqwest.HTTPTransport() as http:
        await transfer.get(pyqwest.Client(http), url, span, sink)
    return bytes(found)


async def test_everything_is_sent_with_the_headers_that_were_asked_for() -> None:
    data = bytes(range(256)) * 10_000
    async with serving(200) as server:
        await put(f"{server.base}/bundle?sig=secret", data, {"X-Meta": "1"})
    line, headers, body = server.requests[0]
    assert line.startswith("PUT /bundle?sig=secret")
    assert body == data
    assert headers["x-meta"] == "1"
    assert headers["content-length"] == str(len(data))
    assert "transfer-encoding" not in headers, "stores want to know the length"


async def test_a_busy_store_is_asked_again_with_the_whole_content() -> None:
    async with serving(503, 429, 201) as server:
        await put(server.base, b"data")
    assert [body for _, _, body in server.requests] == [b"data"] * 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, errors.StorageAccessError),
        (404, errors.StorageNotFoundError),
        (507, errors.StorageFullError),
        (400, errors.StorageError),
    ],
)
async def test_a_refusal_comes_at_once_without_the_signature(
    status: int, kind: type[errors.StorageError]
) -> None:
    async with serving(status, content=b"the reason") as server:
        with pytest.raises(errors.StorageError, match=f"{status} the reason") as caught:
            await put(f"{server.base}/bundle?sig=secret", b"data")
    assert type(caught.value) is kind
    assert "/bundle" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(server.requests) == 1


async def test_a_checksum_that_differs_is_sent_again_and_then_told() -> None:
    wrong, right = "0" * 32, digests.digest([b"data"])
    async with serving(200, answers={"x-content-xxh3": [wrong, right]}) as server:
        await put(server.base, b"data")
        assert len(server.requests) == 2
        server.answers["x-content-xxh3"] = [wrong]
        with pytest.raises(errors.DataCorruptionError, match=f"{right}.*{wrong}"):
            await put(server.base, b"data")


async def test_a_part_is_asked_for_by_its_bytes_and_its_content() -> None:
    async with serving(206, content=b"content") as server:
        assert await get(server.base, Span(10, 17, '"mark"')) == b"content"
    headers = server.requests[0][1]
    assert headers["range"] == "bytes=10-16"
    assert headers["if-range"] == '"mark"'
    assert headers["accept-encoding"] == "identity"


async def test_another_content_is_not_taken_for_the_rest() -> None:
    async with serving(200, content=b"content") as server:
        with pytest.raises(transfer.Refused, match="has changed meanwhile"):
            await get(server.base, Span(10, 17, '"mark"'))


async def test_nobody_there_names_the_address() -> None:
    async with serving(200) as server:
        pass
    with pytest.raises(errors.StorageError, match=rf"^PUT {server.base}/x failed: ") as caught:
        await put(f"{server.base}/x?sig=secret", b"data")
    assert "secret" not in str(caught.value)


async def test_a_cancelled_transfer_is_cancelled() -> None:
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await gone.wait()
        writer.close()

    asked, gone = asyncio.Event(), asyncio.Event()
    listening = await asyncio.start_server(stay, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    task = asyncio.ensure_future(put(base, bytes(50_000_000)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gone.set()
    listening.close()
    await listening.wait_closed()


@pytest.mark.looptime
async def test_pauses_grow_and_end() -> None:
    tries = Tries("GET", "http://x/y?secret")
    begun = asyncio.get_running_loop().time()
    for _ in range(4):
        await tries.pause(ConnectionError("broken"))
    assert 2 <= asyncio.get_running_loop().time() - begun <= 4
    with pytest.raises(errors.StorageError, match="GET http://x/y failed: broken"):
        await tries.pause(ConnectionError("broken"))


@pytest.mark.looptime
async def test_what_moves_may_break_for_ever() -> None:
    tries = Tries("GET", "http://x/y")
    for _ in range(20):
        await tries.pause(TimeoutError())
        tries.moved()
    for _ in range(4):
        await tries.pause(TimeoutError())
    with pytest.raises(errors.StorageTimeoutError):
        await tries.pause(TimeoutError())
