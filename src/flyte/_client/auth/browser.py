"""Login in the browser: authorization code with PKCE (RFC 7636), brought back to a port of this machine (RFC 8252)."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flyte._client.auth.callback import Callback
from flyte._client.auth.oauth import OAuth, Provider, RefusedGrant
from flyte._client.auth.renewing import unauthenticated
from flyte._client.auth.tokens import Token
from flyte._kit import optional

LIMIT_SECONDS = 300.0
_REDIRECT = "http://localhost:53593/callback"


@dataclass(frozen=True, slots=True)
class Challenge:
    """The secret of one login, and what may be said of it before."""

    verifier: str
    state: str

    @property
    def text(self) -> str:
        """The S256 challenge."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


class Browser:
    """Opens the login page, and waits for the code that the browser brings back.

    Args:
        say: takes the lines for the person.
        is_possible: whether anybody is here who could log in.
        show: opens a page; the link is said, too, for those whose browser is elsewhere.
    """

    is_kept = True

    def __init__(
        self,
        oauth: OAuth,
        say: Callable[[str], object],
        *,
        is_possible: Callable[[], bool] = lambda: True,
        show: Callable[[str], object] | None = None,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._oauth = oauth
        self._say = say
        self._is_possible = is_possible
        self._show = show or _opened
        self._limit_seconds = limit_seconds
        self.name = f"browser {oauth.login.client_id or ''}".strip()

    async def token(self, before: Token | None) -> Token:
        """Refresh, else log in."""
        if not self._is_possible():
            raise unauthenticated(
                f"the control plane at {self._oauth.base} wants to know who asks, and nobody is here to log in; set "
                "FLYTE_API_KEY (made by: flyte create api-key NAME), or choose an auth type"
            )
        provider = await self._oauth.provider()
        client_id = self._oauth.login.client_id or provider.client_id
        return await self._oauth.refreshed(provider, before, client_id) or await self._logged_in(
            provider, client_id
        )

    async def _logged_in(self, provider: Provider, client_id: str) -> Token:
        if not provider.authorization_endpoint:
            raise unauthenticated(
                f"the control plane at {self._oauth.base} has no page to log in; set FLYTE_API_KEY"
            )
        challenge = Challenge(secrets.token_urlsafe(64), secrets.token_urlsafe(32))
        async with Callback(provider.redirect_uri or _REDIRECT, challenge.state) as callback:
            link = self._link(provider, client_id, challenge, callback.redirect_uri)
            self._say(f"To log in, open {link}")
            await asyncio.to_thread(self._show, link)
            code = await self._code(callback)
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": callback.redirect_uri,
                "code_verifier": challenge.verifier,
                "client_id": client_id,
            }
        try:
            return await self._oauth.granted(provider, form)
        except RefusedGrant as refused:
            raise unauthenticated(
                f"{provider.token_endpoint} refused the login ({refused}); log in again"
            ) from refused

    async def _code(self, callback: Callback) -> str:
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await callback.code()
        except TimeoutError as error:
            raise unauthenticated(
                f"nobody logged in within {self._limit_seconds:.0f} s; try again, or set FLYTE_API_KEY"
            ) from error

    def _link(
        self, provider: Provider, client_id: str, challenge: Challenge, redirect_uri: str
    ) -> str:
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._oauth.login.scopes or provider.scopes),
            "audience": provider.audience,
            "state": challenge.state,
            "code_challenge": challenge.text,
            "code_challenge_method": "S256",
        }
        given = urlencode({name: value for name, value in query.items() if value})
        joint = "&" if urlsplit(provider.authorization_endpoint).query else "?"
        return f"{provider.authorization_endpoint}{joint}{given}"


def _opened(link: str) -> None:
    optional.module("webbrowser", needed_for="logging in").open(link)
