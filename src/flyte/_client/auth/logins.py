"""The ways to log in, as sources of tokens, and which of them is taken."""

import os
import sys
from collections.abc import Callable

import pyqwest

from flyte import errors
from flyte._client.auth.browser import Browser
from flyte._client.auth.command import Command
from flyte._client.auth.device import Device
from flyte._client.auth.kept import Keyring
from flyte._client.auth.oauth import OAuth, RefusedGrant
from flyte._client.auth.renewing import Renewing, unauthenticated
from flyte._client.auth.tokens import Source, Token
from flyte.config import _read
from flyte.config._access import Access, LoginKind

_STDERR = 2


def renewing(access: Access, base: str, http: pyqwest.Transport) -> Renewing:
    """Credentials that log in when the control plane asks for it.

    Raises:
        flyte.errors.ConfigError: the way to log in needs something that was not given.
    """
    source = _SOURCES[access.login.kind](OAuth(access, base, http))
    return Renewing(source, Keyring(base, enabled=access.login.use_keyring))


class ClientSecret:
    """An API key, or another client with a secret."""

    is_kept = True

    def __init__(self, oauth: OAuth) -> None:
        login = oauth.login
        if not login.client_id or not login.client_secret:
            raise errors.ConfigError(
                "logging in with client credentials needs client_id and client_credentials_secret; give both, or an "
                "api_key"
            )
        self._client_id, self._secret = login.client_id, login.client_secret
        self._oauth = oauth
        self.name = f"client {login.client_id}"

    async def token(self, before: Token | None) -> Token:
        """Ask for one; there is nothing to refresh."""
        provider = await self._oauth.provider()
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "scope": " ".join(self._oauth.login.scopes or provider.scopes),
            "audience": provider.audience,
        }
        try:
            return await self._oauth.granted(provider, form, secret=self._secret)
        except RefusedGrant as refused:
            raise unauthenticated(
                f"the key {self._client_id!r} was refused by {provider.token_endpoint} ({refused}): it is wrong, has "
                "expired or was revoked; make another one: flyte create api-key NAME"
            ) from refused


def say(line: str) -> None:
    """Tell whoever sits here."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def somebody_is_here() -> bool:
    """Whether a person can be asked: there is a terminal, or a desktop for a browser."""
    shown_on = ("DISPLAY", "WAYLAND_DISPLAY")
    desktop = sys.platform == "darwin" or any(name in _read.environment() for name in shown_on)
    return desktop or os.isatty(_STDERR) or hasattr(sys, "ps1")


def _command(oauth: OAuth) -> Source:
    if not oauth.login.command:
        raise errors.ConfigError(
            "auth type ExternalCommand needs a command that prints a token; set admin.command, or `command`"
        )
    return Command(oauth.login.command)


def _browser(oauth: OAuth) -> Source:
    if oauth.login.headless:
        return Device(oauth, say)
    return Browser(oauth, say, is_possible=lambda: oauth.login.asked_for or somebody_is_here())


_SOURCES: dict[LoginKind, Callable[[OAuth], Source]] = {
    "Pkce": _browser,
    "ClientSecret": ClientSecret,
    "ExternalCommand": _command,
    "DeviceFlow": lambda oauth: Device(oauth, say),
}
