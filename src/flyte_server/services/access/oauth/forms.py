"""Requests with a form or a query, read with suspicion: small, in time, and nothing twice."""

import asyncio
import re
from urllib.parse import parse_qsl

from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Receive, Scope

_MOST_BYTES = 16 * 1024
_MOST_FIELDS = 40
_PATIENCE_SECONDS = 10
_FORM = "application/x-www-form-urlencoded"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


class BadForm(Exception):  # noqa: N818 - named by what the sender must correct
    """A request that is no form that we take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def body(scope: Scope, receive: Receive) -> dict[str, str]:
    """The values of a posted form.

    Raises:
        BadForm: it is too large, too slow, of another type, or names something twice.
    """
    kind = asgi.header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise BadForm(400, f"Send a form: content-type {_FORM}.")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            content = await _read(receive)
    except TimeoutError:
        raise BadForm(408, "The form took too long to arrive; send it again.") from None
    return _values(content)


def query(scope: Scope) -> dict[str, str]:
    """The values in the address.

    Raises:
        BadForm: it is too long, or names something twice.
    """
    content: bytes = scope.get("query_string", b"")
    if len(content) > _MOST_BYTES:
        raise BadForm(414, "The address is too long.")
    return _values(content)


def base(scope: Scope, scheme: str) -> str:
    """The address of this control plane as the sender knows it; a proxy in front of us that speaks TLS says so.

    Raises:
        BadForm: the request does not name it.
    """
    if asgi.header(scope, b"x-forwarded-proto") == "https":
        scheme = "https"
    return f"{scheme}://{checked_host(asgi.header(scope, b'host')).lower()}"


def checked_host(host: str) -> str:
    """A host name with or without port.

    Raises:
        BadForm: it is none.
    """
    if not _HOST.fullmatch(host):
        raise BadForm(400, "The Host header is no host name.")
    return host


def cookie(scope: Scope, name: str) -> str:
    """The value of a cookie; empty if the browser sends none."""
    for pair in asgi.header(scope, b"cookie").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


async def _read(receive: Receive) -> bytes:
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadForm(400, "The form did not arrive whole; send it again.")
        content += message.get("body", b"")
        if len(content) > _MOST_BYTES:
            raise BadForm(413, f"The form is larger than {_MOST_BYTES} bytes.")
        if not message.get("more_body", False):
            return bytes(content)


def _values(content: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:  # also text that is no UTF-8 or ASCII
        raise BadForm(400, "The form is malformed, or has too many fields.") from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise BadForm(400, "The form names a field twice.")
    return {name: value for name, value in values.items() if value}
