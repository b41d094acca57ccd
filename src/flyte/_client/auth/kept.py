"""Tokens that outlive their process, in the keyring of the person's desktop."""

import asyncio
import logging
from typing import Any

from flyte._client.auth.tokens import Token
from flyte._kit import optional

_log = logging.getLogger("flyte.login")


class Keyring:
    """The tokens of one control plane.

    Args:
        base: its address.
        enabled: whether there is anything to be kept; otherwise nothing is found, and nothing stored.
    """

    def __init__(self, base: str, *, enabled: bool = True) -> None:
        self._service = f"flyte {base}"
        self._enabled = enabled

    async def find(self, name: str) -> Token | None:
        """The token that was kept under a name; None: none is."""
        text = await self._ask("get_password", self._service, name)
        return Token.of_json(text) if isinstance(text, str) else None

    async def keep(self, name: str, token: Token) -> None:
        """Keep a token for the next process."""
        await self._ask("set_password", self._service, name, token.to_json())

    async def forget(self, name: str) -> None:
        """Throw away what is kept under a name."""
        await self._ask("delete_password", self._service, name)

    async def _ask(self, what: str, *args: str) -> Any:
        if not self._enabled:
            return None
        return await asyncio.to_thread(self._asked, what, args)

    def _asked(self, what: str, args: tuple[str, ...]) -> Any:
        try:
            keyring = optional.module("keyring", needed_for="keeping tokens")
            return getattr(keyring, what)(*args)
        except optional.module("keyring.errors", needed_for="keeping tokens").PasswordDeleteError:
            return None  # it was not there
        except Exception as error:  # noqa: BLE001 - a backend may raise anything, and memory does as well
            self._enabled = False
            _log.debug(
                "no keyring keeps tokens here (%s: %s); they are kept in memory",
                type(error).__name__,
                error,
            )
            return None
