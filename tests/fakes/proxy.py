"""A network that misbehaves: a TCP proxy that cuts connections, holds them, or changes what they carry."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field

_CHUNK_BYTES = 16 * 1024

Mischief = Callable[[int, bytes], bytes | None]
"""Gets how many bytes went this way before on this connection, and the next ones.

What it returns goes on; None cuts the connection.
"""


def untouched(_before: int, data: bytes) -> bytes:
    return data


def cut_after(limit: int) -> Mischief:
    """The connection breaks when so many bytes have gone this way."""
    return lambda before, data: data if before + len(data) <= limit else None


def flip_at(place: int) -> Mischief:
    """One bit of the byte at `place` is another one."""

    def flipped(before: int, data: bytes) -> bytes:
        if not before <= place < before + len(data):
            return data
        changed = bytearray(data)
        changed[place - before] ^= 1
        return bytes(changed)

    return flipped


@dataclass
class Proxy:
    """What the proxy does to connections: the n-th one gets the n-th mischief, further ones none."""

    host: str
    port: int
    up: deque[Mischief] = field(default_factory=deque[Mischief])
    """On the way to the server."""
    down: deque[Mischief] = field(default_factory=deque[Mischief])
    """On the way back."""
    always_up: Mischief = untouched
    """For connections without a mischief of their own, those that are open included."""
    always_down: Mischief = untouched
    connections: int = 0
    cuts: int = 0
    endpoint: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        up = self.up.popleft() if self.up else self._up
        down = self.down.popleft() if self.down else self._down
        try:
            there_reader, there_writer = await asyncio.open_connection(self.host, self.port)
            try:
                await _first(
                    self._carry(reader, there_writer, up), self._carry(there_reader, writer, down)
                )
            finally:
                there_writer.transport.abort()
        finally:
            writer.transport.abort()

    def _up(self, before: int, data: bytes) -> bytes | None:
        return self.always_up(before, data)

    def _down(self, before: int, data: bytes) -> bytes | None:
        return self.always_down(before, data)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mischief: Mischief
    ) -> None:
        before = 0
        while data := await reader.read(_CHUNK_BYTES):
            changed = mischief(before, data)
            if changed is None:
                self.cuts += 1
                return
            before += len(data)
            writer.write(changed)
            await writer.drain()


async def _first(*ways: Coroutine[None, None, None]) -> None:
    """Until one of them ends."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def proxying(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy in front of `host:port`, while the block runs.

    The server must accept the proxy's name as its own; a control plane does at another address than 127.0.0.1.
    """
    proxy = Proxy(host, port)
    serving: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    proxy.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()
