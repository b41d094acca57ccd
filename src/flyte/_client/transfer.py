"""Bytes to and from signed addresses, outside of the Connect services."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping

import pyqwest

from flyte import errors
from flyte._client import transport
from flyte._kit.backoff import Backoff

_TRIES = 4
_PAUSES = Backoff(base=0.2, factor=2, cap=2, jitter=0.2)
_DONE = frozenset({200, 201, 204})
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


async def upload(signed_url: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
    """PUT `data` to a signed address.

    Args:
        signed_url: from `DataProxyService.CreateUploadLocation`.
        data: the whole content.
        headers: those that the service asked to repeat; `Content-MD5` is added where it is missing.

    Raises:
        flyte.errors.StorageError: naming the address (without its signature) and the answer.
    """
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    sent = {"content-md5": base64.b64encode(digest).decode()}
    sent.update({name.lower(): value for name, value in (headers or {}).items()})
    await _request("PUT", signed_url, sent, data)


async def download(url: str) -> bytes:
    """GET the content of a signed address.

    Raises:
        flyte.errors.StorageError: naming the address (without its signature) and the answer.
    """
    return await _request("GET", url, {}, b"")


async def _request(method: str, url: str, headers: Mapping[str, str], data: bytes) -> bytes:
    http = transport.http_transport(url)
    client = pyqwest.Client(http)
    try:
        for tried in range(_TRIES):
            last = tried == _TRIES - 1
            answer: pyqwest.FullResponse | None = None
            reason = ""
            try:
                answer = await client.execute(method, url, headers, data)
                reason = f"{answer.status} {answer.text()[:200]}".strip()
            except (
                OSError,
                pyqwest.ReadError,
                pyqwest.WriteError,
                pyqwest.RemoteProtocolError,
            ) as error:
                reason = str(error)
            if answer is not None and answer.status in _DONE:
                return answer.content
            if last or (answer is not None and answer.status not in _AGAIN):
                raise errors.StorageError(f"{method} {url.partition('?')[0]} failed: {reason}")
            await asyncio.sleep(_PAUSES.delay(tried))
    finally:
        await http.aclose()
    raise AssertionError("the last try returns or raises")
