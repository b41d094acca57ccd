"""PUT and GET of signed links: the content goes from the socket to the disk, or back, in pieces."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from flyte_server.blobs import LINK_PREFIX, BadLink, Link, LocalBlobs
from flyte_server.domain.errors import Invalid
from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Headers, Receive, Scope, Send

_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".gz": b"application/gzip",
    ".json": b"application/json",
}
_SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    # a report is a user's page: it may show itself, but not act here in its reader's name
    (b"content-security-policy", b"sandbox allow-scripts allow-popups"),
]


class _Gone(Exception):  # noqa: N818 - not an error: there is nobody left to tell
    """The client hung up in the middle."""


class Transfers:
    """The ASGI application below `/blobs/`."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verb = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            link, path = self._opened(scope, verb)
            if verb == "PUT":
                await self._put(scope, link, path, receive=receive)
                await asgi.answer(send, HTTPStatus.OK, b"")
            else:
                await self._get(scope, path, send)
        except BadLink as error:
            await asgi.refuse(send, HTTPStatus.FORBIDDEN, "permission_denied", str(error))
        except Invalid as error:
            await asgi.refuse(send, HTTPStatus.BAD_REQUEST, "invalid_argument", str(error))
        except OSError as error:
            await asgi.refuse(
                send,
                HTTPStatus.INSUFFICIENT_STORAGE,
                "unavailable",
                f"The file cannot be stored or read: {error.strerror}; look at the data "
                "directory's disk.",
            )
        except _Gone:
            return

    def _opened(self, scope: Scope, verb: str) -> tuple[Link, Path]:
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        fields = {name: values[0] for name, values in query.items()}
        expires = fields.get("expires", "")
        if fields.get("verb") != verb or not expires.isdecimal():
            raise BadLink(f"The link is not one for {verb}; ask the control plane for a new link.")
        path = scope["path"].removeprefix(LINK_PREFIX)
        link = Link(verb, path, int(expires), fields.get("md5", ""))
        return link, self._blobs.verify(link, fields.get("signature", ""))

    async def _put(self, scope: Scope, link: Link, path: Path, *, receive: Receive) -> None:
        announced = asgi.header(scope, b"content-md5")
        if link.md5 and announced and announced != link.md5:
            raise Invalid(
                f"Content-MD5 is {announced}, but the link was made for {link.md5}; ask for a new "
                "link."
            )
        await self._blobs.receive(path, _body(receive), md5=link.md5 or announced)

    async def _get(self, scope: Scope, path: Path, send: Send) -> None:
        size = await self._blobs.size(path)
        if size is None:
            await asgi.refuse(
                send, HTTPStatus.NOT_FOUND, "not_found", f"There is no file {path.name} (any more)."
            )
            return
        kind = _TYPES.get(path.suffix, b"application/octet-stream")
        headers: Headers = [
            (b"content-type", kind),
            (b"content-length", str(size).encode()),
            *_SAFE,
        ]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        if scope["method"] != "HEAD":
            async for chunk in self._blobs.send(path, size):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
