"""What an issuer outside publishes about itself: its metadata and its keys, fetched when needed and remembered."""

import asyncio
import json
import logging
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pyqwest import Client, HTTPTransport

from flyte_server.clock import Clock
from flyte_server.domain.errors import Unavailable

_DOCUMENT = "/.well-known/openid-configuration"
_PATIENCE_SECONDS = 5.0
_LARGEST = 1024 * 1024
_FRESH_SECONDS = 3600.0
"""So long a key that the issuer has withdrawn is believed at most, while the issuer can be reached."""
_PAUSE_SECONDS = 30.0
"""Between two fetches: tokens with invented key ids must not make us knock at the issuer without end."""
_OK = 200
_FAILED = (JoseError, OSError, TimeoutError, ValueError, KeyError, TypeError, ConnectionError)
_log = logging.getLogger(__name__)


class Published:
    """Metadata and keys of one issuer.

    Args:
        issuer: its address, as its tokens name it.
    """

    def __init__(self, issuer: str, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._document: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._fetched = 0.0
        self._tried: float | None = None

    async def document(self) -> dict[str, Any]:
        """Its metadata.

        Raises:
            Unavailable: it was never reached, and cannot be now.
        """
        if self._document is None:
            await self._refetch(lambda: self._document is None)
        if self._document is None:
            raise self._silent()
        return self._document

    async def keys(self, kid: str) -> KeySet:
        """Its keys, fetched again if they are old or this one is not among them.

        Raises:
            Unavailable: they were never fetched, and cannot be now.
        """
        if self._lacks(kid):
            await self._refetch(lambda: self._lacks(kid))
        if self._keys is None:
            raise self._silent()
        return self._keys

    def _lacks(self, kid: str) -> bool:
        old = self._clock.monotonic() - self._fetched > _FRESH_SECONDS
        return self._keys is None or old or (bool(kid) and kid not in _ids(self._keys))

    async def _refetch(self, needed: Any) -> None:
        async with self._fetching:
            now = self._clock.monotonic()
            paused = self._tried is not None and now - self._tried < _PAUSE_SECONDS
            if paused or not needed():
                return
            self._tried = now
            try:
                await self._fetch()
            except _FAILED as error:
                # What is known goes on to hold: an issuer that is away for an hour locks nobody out.
                _log.warning("cannot fetch the keys of the issuer %s: %s", self._issuer, error)

    async def _fetch(self) -> None:
        async with HTTPTransport(
            timeout=_PATIENCE_SECONDS, follow_redirects=False, tls_include_system_certs=True
        ) as transport:
            client = Client(transport)
            document = await _read(client, self._issuer.rstrip("/") + _DOCUMENT)
            if document["issuer"] != self._issuer:
                raise ValueError(
                    f"it calls itself {document['issuer']!r}; write FLYTE_SERVER_OIDC_ISSUER so"
                )
            place = str(document["jwks_uri"])
            if self._issuer.startswith("https:") and not place.startswith("https:"):
                raise ValueError(f"its keys are at {place}, which is not https")
            keys: Any = await _read(client, place)
        self._keys = KeySet.import_key_set(keys)
        self._document = document
        self._fetched = self._clock.monotonic()

    def _silent(self) -> Unavailable:
        return Unavailable(
            f"The issuer {self._issuer} does not answer, or not as one: try again in a minute; if that does not help,"
            " look at FLYTE_SERVER_OIDC_ISSUER and the log of the control plane."
        )


async def _read(client: Client, address: str) -> dict[str, Any]:
    answer = await client.get(address)
    content = bytes(answer.content)
    if answer.status != _OK or len(content) > _LARGEST:
        raise ValueError(f"{address} answers {answer.status} with {len(content)} bytes")
    value = json.loads(content)
    if not isinstance(value, dict):
        raise ValueError(f"{address} answers with something else than an object")  # noqa: TRY004 - not our caller's type
    return value


def _ids(keys: KeySet) -> set[str]:
    return {key.kid for key in keys.keys if key.kid}
