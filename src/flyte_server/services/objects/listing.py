"""ListObjectsV2: what is below a prefix, page by page."""

import base64
import binascii

from flyte_server.blobs import LocalBlobs
from flyte_server.services.objects import documents, errors
from flyte_server.services.objects.credentials import Reach
from flyte_server.services.objects.documents import Listing
from flyte_server.services.objects.requests import Request, is_writable

_MOST = 1000
_AFTER_ALL = "\U0010ffff"
"""Behind a folder's name: after everything that is in it."""


async def page(request: Request, reach: Reach, blobs: LocalBlobs) -> bytes:
    """The page that a request asks for.

    Raises:
        ObjectError: it asks for what the caller may not read, or in a way that we do not know.
    """
    prefix, delimiter = request.parameter("prefix") or "", request.parameter("delimiter") or ""
    token = request.parameter("continuation-token") or ""
    start_after = request.parameter("start-after") or ""
    most = min(request.number("max-keys", _MOST, highest=2**31), _MOST)
    if request.parameter("list-type") != "2":
        raise errors.unsupported("first version of listings (use ListObjectsV2)")
    if delimiter not in {"", "/"}:
        raise errors.unsupported(f"delimiter {delimiter!r} (only '/')")
    reach.check_read(prefix)
    _check(prefix)
    after = _read_token(token) if token else start_after
    found = await blobs.keys(prefix, after=after, limit=most + 1, shallow=delimiter == "/")
    shown, more = found[:most], len(found) > most > 0
    last = shown[-1] if shown else None
    return documents.listing(
        Listing(
            blobs.bucket.name,
            prefix,
            delimiter,
            # What has a name that no XML can carry has no key here, and is refused as a key.
            [each for each in shown if is_writable(each.name)],
            most,
            start_after=start_after,
            token=token,
            next_token=_token(last.name + _AFTER_ALL * last.is_folder) if more and last else "",
            is_encoded=request.parameter("encoding-type") == "url",
        )
    )


def _check(prefix: str) -> None:
    """A prefix that leads out of the data directory begins no key."""
    if not is_writable(prefix) or {".", ".."} & set(prefix.split("/")[:-1]) or "//" in prefix:
        raise errors.invalid(f"The prefix {prefix!r} begins no key.")


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode(errors="surrogateescape")).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(
            errors="surrogateescape"
        )
    except (binascii.Error, ValueError):
        raise errors.invalid(f"{token!r} is no continuation token of this endpoint.") from None
