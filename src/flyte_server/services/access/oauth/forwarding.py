"""People's codes for the issuer outside: they are handed on to it, so that clients ask at one address only.

Clients are told of one token endpoint.  It must be ours, or API keys would be of no use beside an issuer outside; so
what belongs to the issuer goes on to it, to its own token endpoint and to no other place.
"""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE
from pyqwest import Client, HTTPTransport

from flyte_server.auth.oauth.server import Answer
from flyte_server.domain.errors import Unavailable
from flyte_server.services.access.oauth.metadata import Elsewhere

_GRANTS = frozenset({"authorization_code", "refresh_token", DEVICE_CODE_GRANT_TYPE})
_PATIENCE_SECONDS = 10.0
_LARGEST = 256 * 1024
_MOST_AT_ONCE = 16
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class Forwarding:
    """Hands requests for tokens on."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    def concerns(self, form: dict[str, str]) -> bool:
        """Whether the issuer has to answer this."""
        theirs = form.get("client_id") == self._elsewhere.issuer.client_id
        return theirs and form.get("grant_type") in _GRANTS

    async def answer(self, form: dict[str, str]) -> Answer:
        """What the issuer says."""
        try:
            document = await self._elsewhere.published.document()
            async with self._room:
                return await _post(str(document["token_endpoint"]), form)
        except (Unavailable, OSError, TimeoutError, ValueError, KeyError):
            sentence = f"The issuer {self._elsewhere.issuer.url} does not answer; try again."
            body = {"error": "temporarily_unavailable", "error_description": sentence}
            return Answer(503, body)


async def _post(address: str, form: dict[str, str]) -> Answer:
    async with HTTPTransport(
        timeout=_PATIENCE_SECONDS, follow_redirects=False, tls_include_system_certs=True
    ) as transport:
        answer = await Client(transport).post(address, _FORM, urlencode(form).encode())
    content = bytes(answer.content)
    body: Any = json.loads(content) if len(content) <= _LARGEST else None
    if not isinstance(body, dict):
        raise ValueError(f"{address} answers with something else than a small object")  # noqa: TRY004
    return Answer(answer.status, body)
