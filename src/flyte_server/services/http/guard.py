"""What no request gets past: foreign host names, the wrong directory, and messages that are too large.

A page in a browser can make any name of its own point to 127.0.0.1 and then talk to us as if we
were its server (DNS rebinding).  Its requests carry that name in `Host`, so on loopback only our
own names are accepted.

A task that outlived its control plane may find us at the port where it was.  We know nothing of its
run: it must wait for its own.
"""

from urllib.parse import quote

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import App, Message, Receive, Scope, Send
from flyte_server.settings import Settings

_HOME_HEADER = b"x-flyte-home"
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Guard:
    """Wraps the application.

    Args:
        unlimited: paths that begin so may carry bodies of any size: they are streamed to disk.
    """

    def __init__(self, app: App, settings: Settings, *, unlimited: str) -> None:
        self._app = app
        self._limit = settings.max_message_bytes
        self._unlimited = unlimited
        self._home = settings.home
        self._hosts = (
            frozenset(f"{name}:{settings.port}" for name in _LOOPBACK_NAMES)
            if settings.loopback
            else None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = asgi.header(scope, b"host").lower()
        if self._hosts is not None and host not in self._hosts:
            await asgi.refuse(
                send,
                403,
                "permission_denied",
                f"The host name {host!r} is not one of this control plane; use one of "
                f"{', '.join(sorted(self._hosts))}.",
            )
            return
        meant = asgi.header(scope, _HOME_HEADER)
        if meant and meant != quote(str(self._home)):
            await asgi.refuse(
                send,
                503,
                "unavailable",
                f"This is the control plane on {self._home}; the one on {meant} is away.",
            )
            return
        if scope["path"].startswith(self._unlimited):
            await self._app(scope, receive, send)
            return
        length = asgi.header(scope, b"content-length")
        if length.isdecimal() and int(length) > self._limit:
            await asgi.refuse(send, 429, "resource_exhausted", self._too_large())
            return
        await self._app(scope, receive if length else self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        """For bodies of unannounced length."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                raise ConnectError(Code.RESOURCE_EXHAUSTED, self._too_large())
            return message

        return counted

    def _too_large(self) -> str:
        return (
            f"The request is larger than {self._limit} bytes; pass large values as files, or set "
            "FLYTE_SERVER_MAX_MESSAGE_MB for the control plane."
        )
