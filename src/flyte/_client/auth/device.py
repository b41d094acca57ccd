"""The device flow (RFC 8628): log in on any machine that has a browser, with a code shown here."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from flyte._client.auth.oauth import OAuth, Provider, RefusedGrant
from flyte._client.auth.renewing import unauthenticated
from flyte._client.auth.tokens import Token
from flyte._kit import clock

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PAUSE_SECONDS = 5.0
_LIFE_SECONDS = 600.0
_SLOWER_SECONDS = 5.0


class Device:
    """Shows a link and a code, and waits until somebody has used them.

    Args:
        say: takes the lines for the person.
    """

    is_kept = True

    def __init__(self, oauth: OAuth, say: Callable[[str], object]) -> None:
        self._oauth = oauth
        self._say = say
        self.name = f"device {oauth.login.client_id or ''}".strip()

    async def token(self, before: Token | None) -> Token:
        """Refresh, else log in."""
        provider = await self._oauth.provider()
        client_id = self._oauth.login.client_id or provider.client_id
        return await self._oauth.refreshed(provider, before, client_id) or await self._logged_in(
            provider, client_id
        )

    async def _logged_in(self, provider: Provider, client_id: str) -> Token:
        if not provider.device_authorization_endpoint:
            raise unauthenticated(
                f"the control plane at {self._oauth.base} has no device flow; use another auth type, or set "
                "FLYTE_API_KEY"
            )
        form = {
            "client_id": client_id,
            "scope": " ".join(self._oauth.login.scopes or provider.scopes),
            "audience": provider.audience,
        }
        try:
            told, _ = await self._oauth.post(
                provider.device_authorization_endpoint,
                {name: value for name, value in form.items() if value},
                {"accept": "application/json"},
            )
        except RefusedGrant as refused:
            raise _refused(provider, refused) from refused
        link = told.get("verification_uri_complete") or told.get("verification_uri")
        self._say(f"To log in, open {link} and enter the code {told.get('user_code')}")
        return await self._polled(provider, client_id, told)

    async def _polled(self, provider: Provider, client_id: str, told: Mapping[str, Any]) -> Token:
        form = {
            "grant_type": _GRANT,
            "device_code": str(told.get("device_code", "")),
            "client_id": client_id,
        }
        pause = _number(told.get("interval"), _PAUSE_SECONDS)
        ends_at = clock.monotonic() + _number(told.get("expires_in"), _LIFE_SECONDS)
        while clock.monotonic() < ends_at:
            await asyncio.sleep(pause)
            try:
                return await self._oauth.granted(provider, form)
            except RefusedGrant as refused:
                if refused.code == "slow_down":
                    pause += _SLOWER_SECONDS
                elif refused.code != "authorization_pending":
                    raise _refused(provider, refused) from refused
        raise unauthenticated("nobody entered the code in time; log in again")


def _refused(provider: Provider, refused: RefusedGrant) -> Exception:
    return unauthenticated(f"{provider.token_endpoint} refused the login ({refused}); log in again")


def _number(told: object, otherwise: float) -> float:
    return float(told) if isinstance(told, int | float) and told > 0 else otherwise
