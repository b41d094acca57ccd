"""Messages between the control plane and a host: one JSON object per line over a Unix socket."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from flyte_server.domain.records import AttemptKey

Message = dict[str, Any]
PROTOCOL = 2
"""The version of the messages that this control plane speaks; hosts say theirs in `hello`."""


class Connection(asyncio.Protocol):
    """One end of the socket.

    Everything that arrives in one read is handed on together, so that it can be committed together;
    everything said in one turn of the loop leaves in one write.
    """

    def __init__(self, *, hear: Callable[[list[Message]], None], lost: Callable[[], None]) -> None:
        self._hear = hear
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._incoming = b""
        self._outgoing: list[bytes] = []

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, transport: asyncio.Transport
    ) -> None:
        # No isinstance check: uvloop's transports are transports by behaviour, not by inheritance.
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        if lines:
            self._hear([json.loads(line) for line in lines])

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost()

    def send(self, message: Message) -> None:
        """Say something; after the end of the connection nobody hears it."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def close(self) -> None:
        """Send what is left and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()


def wire_key(key: AttemptKey) -> list[Any]:
    """An attempt's name in a message."""
    return [key.run_id, key.action, key.number, key.token]


def attempt_key(message: Message) -> AttemptKey:
    """The attempt that a message is about."""
    return AttemptKey(*message["key"])
