"""Conditions in the headers of a request: do it only if what is there is, or is not, this."""

import contextlib
from collections.abc import Generator
from email.utils import parsedate_to_datetime

from flyte_server.services.objects import errors
from flyte_server.services.objects.requests import Request


def only_new(request: Request) -> bool:
    """Whether a write shall leave alone what is there.

    Raises:
        ObjectError: the condition is one that we do not keep.
    """
    wanted = request.header("if-none-match")
    if request.header("if-match") or wanted not in {"", "*"}:
        raise errors.unsupported("condition of a write but 'If-None-Match: *'")
    return wanted == "*"


@contextlib.contextmanager
def kept(only_new: bool) -> Generator[None]:
    """Tell a client that its condition has not held."""
    try:
        yield
    except FileExistsError:
        if not only_new:
            raise
        raise errors.unmet("If-None-Match: *") from None


def check_unchanged(request: Request, etag: str, changed_at: float) -> None:
    """Raise `ObjectError` if `If-Match` or `If-Unmodified-Since` do not hold."""
    wanted = request.header("if-match")
    if wanted and not _names(wanted, etag):
        raise errors.unmet(f"If-Match: {wanted}")
    since = _seconds(request.header("if-unmodified-since"))
    if not wanted and since is not None and int(changed_at) > since:
        raise errors.unmet("If-Unmodified-Since")


def is_known(request: Request, etag: str, changed_at: float) -> bool:
    """Whether the client has this content already."""
    known = request.header("if-none-match")
    if known:
        return _names(known, etag)
    since = _seconds(request.header("if-modified-since"))
    return since is not None and int(changed_at) <= since


def _names(header: str, etag: str) -> bool:
    named = {each.strip().removeprefix("W/").strip('"') for each in header.split(",")}
    return header.strip() == "*" or etag.strip('"') in named


def _seconds(date: str) -> float | None:
    """A date of HTTP; what is none is no condition."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
