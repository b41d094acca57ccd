"""Uploads and downloads by signed address, against a server that answers what the test says."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from flyte import errors
from flyte._client import transfer


@dataclass
class Server:
    """Answers requests with the given statuses, one after the other; the last one for ever."""

    statuses: list[int]
    content: bytes = b""
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
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        length = f"content-length: {len(self.content)}\r\nconnection: close"
        writer.write(f"HTTP/1.1 {status} X\r\n{length}\r\n\r\n".encode() + self.content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(*statuses: int, content: bytes = b"") -> AsyncIterator[Server]:
    server = Server(list(statuses), content)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


async def test_upload_sends_everything_with_a_checksum() -> None:
    data = b"x" * 100_000
    async with serving(200) as server:
        await transfer.upload(f"{server.base}/bundle?sig=secret", data, {"X-Meta": "1"})
    line, headers, body = server.requests[0]
    assert line.startswith("PUT /bundle?sig=secret")
    assert body == data
    assert headers["x-meta"] == "1"
    assert headers["content-md5"] == base64.b64encode(hashlib.md5(data).digest()).decode()


async def test_a_given_checksum_is_kept() -> None:
    async with serving(204) as server:
        await transfer.upload(server.base, b"data", {"Content-MD5": "given"})
    assert server.requests[0][1]["content-md5"] == "given"


async def test_a_busy_store_is_asked_again() -> None:
    async with serving(503, 429, 201) as server:
        await transfer.upload(server.base, b"data")
    assert len(server.requests) == 3


async def test_a_refusal_is_told_without_the_signature() -> None:
    async with serving(403, content=b"expired") as server:
        with pytest.raises(errors.StorageError, match="403 expired") as caught:
            await transfer.upload(f"{server.base}/bundle?sig=secret", b"data")
    assert "/bundle" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(server.requests) == 1


async def test_download_gives_the_content() -> None:
    async with serving(200, content=b"content") as server:
        assert await transfer.download(f"{server.base}/outputs.pb") == b"content"
