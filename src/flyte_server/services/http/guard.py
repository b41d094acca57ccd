"""What no request gets past: foreign host names, pages of others, the wrong directory, and messages that are too large.

A page in a browser can make any name of its own point to 127.0.0.1 and then talk to us as if we
were its server (DNS rebinding).  Its requests carry that name in `Host`, so on loopback only our
own names are accepted.

A page of another site can also send requests to our true address, and the browser would take our
answer for one that its reader wanted.  Browsers say where a request comes from (`Sec-Fetch-Site`, and `Origin`); what
comes from elsewhere may only open a page, as a link in a mail does.

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
_DEFAULT_PORTS = frozenset({80, 443})
_SITE_HEADER = b"sec-fetch-site"
_MODE_HEADER = b"sec-fetch-mode"
_OWN_SITES = frozenset({b"same-origin", b"none"})
"""`none`: a person typed the address."""
OPEN_BYTES = 64 * 1024
"""Of a request that nobody is asked for who they are."""
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Guard:
    """Wraps the application.

    Args:
        unlimited: paths that begin so may carry bodies of any size: they are streamed to disk.
        open_paths: beginnings of services for whoever comes: their bodies are small, because nobody is asked who sends
            them.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        *,
        unlimited: tuple[str, ...],
        open_paths: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._limit = settings.max_message_bytes
        self._open = open_paths
        self._unlimited = unlimited
        self._home = settings.home
        self._hosts = _hosts(settings) if settings.loopback else None

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
        if self._is_foreign(scope, host):
            await asgi.refuse(
                send,
                403,
                "permission_denied",
                "A page of another site sent this request; only pages of this control plane may.",
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
        limit = OPEN_BYTES if scope["path"].startswith(self._open) else self._limit
        length = asgi.header(scope, b"content-length")
        if length.isdecimal() and int(length) > limit:
            await asgi.refuse(send, 429, "resource_exhausted", _too_large(limit))
            return
        await self._app(scope, receive if length else _counting(receive, limit), send)

    def _is_foreign(self, scope: Scope, host: str) -> bool:
        """Whether a browser sent this for a page that is not ours; other clients say nothing of the kind."""
        site, origin = b"", b""
        for name, value in scope["headers"]:
            if name == _SITE_HEADER:
                site = value
            elif name == b"origin":
                origin = value
        if site:
            opens_page = (
                scope["method"] in {"GET", "HEAD"}
                and asgi.header(scope, _MODE_HEADER) == "navigate"
            )
            return site not in _OWN_SITES and not opens_page
        return bool(origin) and origin.decode("latin-1").lower() not in {
            f"http://{host}",
            f"https://{host}",
        }


def _counting(receive: Receive, limit: int) -> Receive:
    """For bodies of unannounced length."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, _too_large(limit))
        return message

    return counted


def _too_large(limit: int) -> str:
    return (
        f"The request is larger than {limit} bytes; pass large values as files, or set "
        "FLYTE_SERVER_MAX_MESSAGE_MB for the control plane."
    )


def _hosts(settings: Settings) -> frozenset[str]:
    """What our own clients write into `Host`."""
    names = {*_LOOPBACK_NAMES, settings.address.rpartition(":")[0]}
    hosts = {f"{name}:{settings.port}" for name in names}
    if settings.port in _DEFAULT_PORTS:  # which clients leave out
        hosts |= names
    return frozenset(hosts)
