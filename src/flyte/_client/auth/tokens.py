"""`Token`: what a login gives, and `Source`: where logins come from."""

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from flyte._client.auth.credentials import AUTHORIZATION
from flyte._kit import clock

_SOON_SECONDS = 60.0
_SOON_SHARE = 0.2
"""A token is renewed in the last fifth of its life, but not earlier than a minute before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token, and what is known of it."""

    access: str
    refresh: str = ""
    """Gets the next one without a login; empty: there is none."""
    made_at: float
    """Seconds since the epoch, by the clock of this machine."""
    expires_at: float | None = None
    """Likewise; None: nobody said when."""
    header: str = AUTHORIZATION
    skew_seconds: float = 0.0
    """By how much this machine's clock was ahead of the issuer's when it was made."""

    @property
    def is_ending(self) -> bool:
        """Whether it should be renewed before it is used once more."""
        if self.expires_at is None:
            return False
        life = self.expires_at - self.made_at
        return seconds() >= self.expires_at - min(_SOON_SECONDS, life * _SOON_SHARE)

    def to_json(self) -> str:
        """As `of_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> "Token | None":
        """A token that was kept; None: it is none, or was written by another version."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None


class Source(Protocol):
    """One way to log in."""

    name: str
    """Tells its tokens from those of other ways, where they are kept."""
    is_kept: bool
    """Whether its tokens are worth keeping beyond this process."""

    async def token(self, before: Token | None) -> Token:
        """A new token.

        Args:
            before: the one in whose place it comes; it may renew itself without a login.

        Raises:
            flyte.errors.UnionRpcError: `unauthenticated`, with the next step, or `unavailable`.
        """
        ...


def seconds() -> float:
    """The present moment, as tokens say it."""
    return clock.now().timestamp()


def claims(token: str) -> dict[str, Any]:
    """What a token says of itself, unverified: only to explain a refusal, and to guess when it ends.

    >>> claims("opaque")
    {}
    """
    parts = token.split(".")
    if len(parts) != len(("header", "payload", "signature")):
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def moment(told: dict[str, Any], name: str) -> float | None:
    """A moment among claims; None: it is not there, or is none."""
    found = told.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
