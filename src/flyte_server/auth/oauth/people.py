"""Somebody who has logged in."""

from dataclasses import dataclass

from flyte_server.auth.claims import Claims
from flyte_server.store.access.logins import Session


@dataclass(frozen=True, slots=True)
class Login:
    """A login that holds, and what it allows now."""

    session: Session
    claims: Claims
    """Of this moment, not of the moment of the login: a key may have ended since."""
