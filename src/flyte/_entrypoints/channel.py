"""Messages over a socket, one JSON object per line, for a process that never waits for its peer."""

import json
import socket
from typing import Any

Message = dict[str, Any]
_CHUNK = 262_144


class Channel:
    """One non-blocking connection: what arrives is split into messages, what is queued leaves
    when it can."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._incoming = b""
        self._outgoing = bytearray()
        self.closed = False
        """The peer is gone; what was received before still counts."""

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def pending(self) -> bool:
        """Whether something waits to leave."""
        return bool(self._outgoing) and not self.closed

    def receive(self) -> list[Message]:
        """Messages that have arrived completely.

        A line that is not a message means a peer of another kind: the connection counts as closed.
        """
        data = self._read()
        *lines, self._incoming = (self._incoming + data).split(b"\n") if data else [self._incoming]
        try:
            return [json.loads(line) for line in lines if line]
        except ValueError:
            self.closed = True
            return []

    def _read(self) -> bytes:
        chunks: list[bytes] = []
        try:
            while chunk := self._connection.recv(_CHUNK):
                chunks.append(chunk)
                if len(chunk) < _CHUNK:
                    return b"".join(chunks)
            self.closed = True
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.closed = True
        return b"".join(chunks)

    def queue(self, message: Message) -> None:
        """Add a message to what leaves with the next `flush`."""
        self._outgoing += json.dumps(message).encode() + b"\n"

    def flush(self) -> None:
        """Send what the socket takes now."""
        try:
            while self._outgoing and not self.closed:
                del self._outgoing[: self._connection.send(self._outgoing)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.closed = True

    def close(self) -> None:
        self.closed = True
        self._connection.close()
