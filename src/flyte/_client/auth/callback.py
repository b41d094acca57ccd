"""The port of this machine to which a browser brings the code of a login."""

import asyncio
import hmac
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from flyte._client.auth.renewing import unauthenticated

_LARGEST_REQUEST = 16 * 1024
_REQUEST_SECONDS = 10.0
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>Flyte</title>"
    "<p style='font:16px system-ui;margin:4em'>{text}</p>"
)


class Callback:
    """Listens on loopback for one answer that carries our `state`; everything else is refused and waited past.

    Args:
        redirect_uri: where the provider expects us; when that port is taken, any other one of this machine.
    """

    def __init__(self, redirect_uri: str, state: str) -> None:
        parts = urlsplit(redirect_uri)
        self._host, self._port = parts.hostname or "localhost", parts.port or 0
        self._path = parts.path or "/"
        self._state = state
        self._server: asyncio.Server | None = None
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def redirect_uri(self) -> str:
        """Where the browser has to go."""
        assert self._server is not None, "it listens"
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{self._host}:{port}{self._path}"

    async def code(self) -> str:
        """Wait for the code.

        Raises:
            flyte.errors.UnionRpcError: whoever was asked said no.
        """
        return await self._answer

    async def __aenter__(self) -> "Callback":
        try:
            self._server = await asyncio.start_server(self._served, "127.0.0.1", self._port)
        except OSError:  # another login waits there
            self._server = await asyncio.start_server(self._served, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None, "it listens"
        self._answer.cancel()
        self._server.close()
        await self._server.wait_closed()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
            status, text = self._heard(request[:_LARGEST_REQUEST])
            body = _PAGE.format(text=text).encode()
            head = (
                f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\n"
                f"content-length: {len(body)}\r\ncache-control: no-store\r\n"
                "content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
                "referrer-policy: no-referrer\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever it was does not want an answer
        finally:
            writer.close()

    def _heard(self, request: bytes) -> tuple[str, str]:
        """The status and the text to answer with; a fitting answer ends the waiting."""
        words = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        target = urlsplit(words[1]) if len(words) == len(("GET", "/", "HTTP/1.1")) else None
        if target is None or words[0] != "GET" or target.path != self._path:
            return "404 Not Found", "There is nothing here."
        told = {name: values[0] for name, values in parse_qs(target.query).items()}
        if not hmac.compare_digest(told.get("state", "").encode(), self._state.encode()):
            return "400 Bad Request", "This answer belongs to another login. Nothing was done."
        if self._answer.done():
            return "400 Bad Request", "This login is over."
        if "code" in told:
            self._answer.set_result(told["code"])
            return "200 OK", "You are logged in. This page can be closed."
        error = told.get("error_description") or told.get("error") or "no code"
        self._answer.set_exception(
            unauthenticated(f"the login was refused ({error}); log in again")
        )
        return "200 OK", "You are not logged in. This page can be closed."
