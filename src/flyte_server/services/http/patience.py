"""How long a client may take to say what it wants.

A connection that sends a byte now and then, and never a whole request, costs a socket and some memory for as long as it
likes; a few thousand of them leave none for others.  So headers must be complete within seconds, and a body must go on.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 20.0
"""From the first byte (or the connection) to the end of the headers."""
PAUSE_SECONDS = 60.0
"""Between two pieces of a body, while we read."""
HEAD_BYTES = 128 * 1024
"""Of headers, and of the address."""
_LOOK_SECONDS = 5.0


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, which closes the connection of a client that is too slow.

    Attributes:
        header_seconds: of a whole head of a request.
        pause_seconds: between two pieces of its body.
    """

    header_seconds = HEADER_SECONDS
    pause_seconds = PAUSE_SECONDS
    look_seconds = _LOOK_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since: float | None = None
        """When the client began to owe us something; None: it owes nothing."""
        self._in_body = False
        self._head_bytes = 0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as in uvicorn
        super().connection_made(transport)
        self._owes(in_body=False)
        self._look = self.loop.call_later(self.look_seconds, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_body or self._since is None:
            self._since = self.loop.time()
        super().data_received(data)
        if self._since is None or self._in_body:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers of the request are too large.")

    def on_headers_complete(self) -> None:
        self._owes(in_body=True)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._since = None
        self._in_body = False
        super().on_message_complete()

    def _owes(self, *, in_body: bool) -> None:
        self._since = self.loop.time()
        self._in_body = in_body

    def _check(self) -> None:
        limit = self.pause_seconds if self._in_body else self.header_seconds
        waits = self._since is not None and not self.flow.read_paused
        if waits and self._since is not None and self.loop.time() - self._since > limit:
            self.transport.close()
            return
        if self.flow.read_paused and self._since is not None:
            self._since = self.loop.time()  # it is we who do not read
        self._look = self.loop.call_later(self.look_seconds, self._check)
