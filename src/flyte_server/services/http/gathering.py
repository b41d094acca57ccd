"""Streams whose small messages leave together."""

import asyncio

from flyte_server.services.http.asgi import Message, Send

_FULL_BYTES = 64 * 1024


class Gathered:
    """A `send` that joins the body chunks of one turn of the event loop into one.

    A stream that tells of a hundred changed rows is a hundred messages of some bytes; written one
    by one, the system calls cost more than everything that made the messages.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._chunks: list[bytes] = []
        self._size = 0
        self._flushing: asyncio.Task[None] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.body" or not message.get("more_body"):
            await self._flush()
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        self._chunks.append(body)
        self._size += len(body)
        if self._size >= _FULL_BYTES:  # here the sender waits for a slow reader
            await self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        self._flushing = None
        chunks, self._chunks, self._size = self._chunks, [], 0
        if chunks:
            await self._send(
                {"type": "http.response.body", "body": b"".join(chunks), "more_body": True}
            )
