"""`Range` and `If-Range` of a GET: which bytes of a content are asked for."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*")


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `first` up to, not including, `end`."""

    first: int
    end: int


class Unsatisfiable(Exception):  # noqa: N818 - named after the status it becomes
    """The range begins behind the end of the content."""


def part(wanted: str, *, size: int, condition: str, etag: str) -> Part | None:
    """What a request asks for; None: the whole content.

    Several ranges at once, and what is no range, are answered with the whole, as RFC 9110 allows.

    Args:
        wanted: the Range header.
        size: bytes of the content.
        condition: the If-Range header; a range of another content than that is of no use to the client.
        etag: of the content.

    Raises:
        Unsatisfiable: none of the bytes exist.

    Example:
        >>> part("bytes=10-19", size=100, condition="", etag='"x"')
        Part(first=10, end=20)
        >>> part("bytes=-5", size=100, condition="", etag='"x"')
        Part(first=95, end=100)
    """
    match = _ONE_RANGE.fullmatch(wanted)
    if match is None or (condition and condition != etag):
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return Part(int(first), min(int(last) + 1, size) if last else size)


def _suffix(length: str, size: int) -> Part | None:
    if not length:
        return None
    if int(length) == 0 or size == 0:
        raise Unsatisfiable
    return Part(max(size - int(length), 0), size)
