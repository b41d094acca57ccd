"""PUT and GET of signed links: the content goes from the socket to the disk, or back, in pieces."""

import errno
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from flyte_server.blobs import (
    LINK_PREFIX,
    Announced,
    BadLink,
    Link,
    LocalBlobs,
    OpenBlob,
    Received,
)
from flyte_server.domain.errors import Invalid
from flyte_server.services.http import asgi, giving
from flyte_server.services.http.asgi import Headers, Receive, Scope, Send

CHECKSUM_HEADER = b"x-content-xxh3"
"""In the answer to a PUT: the xxh3 (128 bits, hexadecimal) of what was stored."""

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
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Transfers:
    """The ASGI application below `/blobs/`."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except BadLink as error:
            await asgi.refuse(send, HTTPStatus.FORBIDDEN, "permission_denied", str(error))
        except Invalid as error:
            await asgi.refuse(send, HTTPStatus.BAD_REQUEST, "invalid_argument", str(error))
        except OSError as error:
            await _refuse_for_disk(send, error)
        except asgi.Gone:
            return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        verb = "GET" if scope["method"] == "HEAD" else scope["method"]
        link, path = self._target(scope, verb)
        if verb == "PUT":
            received = await self._put(scope, link, path, receive=receive)
            checksum = (CHECKSUM_HEADER, received.xxh3.encode())
            await asgi.answer(send, HTTPStatus.OK, b"", headers=[checksum])
            return
        async with self._blobs.opened(path) as blob:
            if blob is None:
                said = f"There is no file {path.name} (any more)."
                await asgi.refuse(send, HTTPStatus.NOT_FOUND, "not_found", said)
            else:
                await _get(scope, blob, path.suffix, send=send)

    def _target(self, scope: Scope, verb: str) -> tuple[Link, Path]:
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        fields = {name: values[0] for name, values in query.items()}
        link = Link.parsed(scope["path"].removeprefix(LINK_PREFIX), fields)
        if link.verb != verb:
            raise BadLink(f"The link is not one for {verb}; ask the control plane for a new link.")
        return link, self._blobs.verify(link, fields.get("signature", ""))

    async def _put(self, scope: Scope, link: Link, path: Path, *, receive: Receive) -> Received:
        md5 = asgi.header(scope, b"content-md5")
        if link.md5 and md5 and md5 != link.md5:
            raise Invalid(
                f"Content-MD5 is {md5}, but the link was made for {link.md5}; ask for a new link."
            )
        length = asgi.header(scope, b"content-length")
        announced = int(length) if length.isdecimal() else None
        if link.length is not None and announced not in {None, link.length}:
            raise Invalid(
                f"Content-Length is {announced}, but the link was made for {link.length} bytes; ask "
                "for a new link."
            )
        expected = Announced(link.length if announced is None else announced, link.md5 or md5)
        return await self._blobs.receive(path, asgi.body(receive), expected)


async def _get(scope: Scope, blob: OpenBlob, suffix: str, *, send: Send) -> None:
    """A file, or the part of it that is asked for."""
    kind = _TYPES.get(suffix, b"application/octet-stream")
    if not await giving.give(scope, blob, [(b"content-type", kind), *_SAFE], send=send):
        span = (b"content-range", f"bytes */{blob.size}".encode())
        await asgi.answer(send, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", headers=[span])


async def _refuse_for_disk(send: Send, error: OSError) -> None:
    if error.errno in _FULL:
        status, code = HTTPStatus.INSUFFICIENT_STORAGE, "resource_exhausted"
        advice = "make room on the disk of the control plane's data directory."
    else:
        status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "unavailable"
        advice = "look at the disk of the control plane's data directory."
    reason = error.strerror or type(error).__name__
    await asgi.refuse(send, status, code, f"The file cannot be stored or read: {reason}; {advice}")
