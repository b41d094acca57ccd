"""A file as the answer to a GET or HEAD: the whole, or the range that is asked for, in pieces."""

from http import HTTPStatus

from flyte_server.blobs import OpenBlob
from flyte_server.services.http import asgi, ranges
from flyte_server.services.http.asgi import Headers, Scope, Send
from flyte_server.services.http.ranges import Part


async def give(scope: Scope, blob: OpenBlob, headers: Headers, *, send: Send) -> bool:
    """Answer with a file.

    Args:
        headers: of the answer, besides those that follow from the file.

    Returns:
        False if nothing was answered: the range begins behind the end.
    """
    try:
        part = ranges.part(
            asgi.header(scope, b"range"),
            size=blob.size,
            condition=asgi.header(scope, b"if-range"),
            etag=blob.etag,
        )
    except ranges.Unsatisfiable:
        return False
    whole = part or Part(0, blob.size)
    fixed: Headers = [
        (b"accept-ranges", b"bytes"),
        (b"etag", blob.etag.encode()),
        (b"content-length", str(whole.end - whole.first).encode()),
    ]
    if part is not None:
        span = f"bytes {part.first}-{part.end - 1}/{blob.size}"
        fixed.append((b"content-range", span.encode()))
    status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
    start = {"type": "http.response.start", "status": status, "headers": [*fixed, *headers]}
    await send(start)
    if scope["method"] != "HEAD":
        async for piece in blob.pieces(whole.first, whole.end):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return True
