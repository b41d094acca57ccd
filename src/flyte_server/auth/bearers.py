"""From the text of a bearer token to who sends it."""

import hmac
from collections.abc import Sequence
from typing import Protocol

from flyte_server.auth.claims import Claims
from flyte_server.auth.roles import Grant, Role
from flyte_server.auth.tokens import Tokens
from flyte_server.domain.errors import Unauthenticated


class Reader(Protocol):
    """Knows one kind of token."""

    async def read(self, text: str) -> Claims | None:
        """Who sends it; None: it is of another kind.

        Raises:
            Unauthenticated: it is of this kind, and not valid.
        """
        ...


class LocalToken:
    """The token in the data directory: whoever can read it may do everything here.

    Args:
        text: what the file has.
        user: whose machine it is.
    """

    def __init__(self, text: str, user: str) -> None:
        self._text = text.encode()
        self._claims = local(user)

    async def read(self, text: str) -> Claims | None:
        fits = hmac.compare_digest(text.encode("utf-8", "surrogatepass"), self._text)
        return self._claims if fits else None


class OwnTokens:
    """Tokens that we have minted.

    Args:
        trial: other readers of the same form come later, so what we did not sign may be theirs.
    """

    def __init__(self, tokens: Tokens, *, trial: bool = False) -> None:
        self._tokens = tokens
        self._trial = trial

    async def read(self, text: str) -> Claims | None:
        if not self._trial:
            return self._tokens.read(text)
        return self._tokens.read(text) if self._tokens.signed(text) else None


class Bearers:
    """Asks one reader after the other.

    Example:
        bearers = Bearers([LocalToken(token, "ada"), OwnTokens(tokens)])
        claims = await bearers.read(text)
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers

    async def read(self, text: str) -> Claims:
        """Who sends a token.

        Raises:
            Unauthenticated: it is valid nowhere.
        """
        for reader in self._readers:
            claims = await reader.read(text)
            if claims is not None:
                return claims
        raise Unauthenticated(
            "The token is none that this control plane knows; log in again, or make a key: flyte create api-key NAME."
        )


def local(user: str) -> Claims:
    """Whoever may read the data directory; also everybody, where nobody is asked who they are."""
    return Claims(subject=f"local:{user}", name=user, kind="local", grants=(Grant(Role.ADMIN),))
