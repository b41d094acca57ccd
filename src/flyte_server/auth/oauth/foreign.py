"""Tokens of an issuer outside: believed if its published keys have signed them, for us, and for now."""

import base64
import binascii
import json
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from flyte_server.auth.claims import Claims
from flyte_server.auth.oauth.published import Published
from flyte_server.auth.roles import Grant, Role
from flyte_server.clock import Clock
from flyte_server.domain.errors import Unauthenticated
from flyte_server.issuer import Issuer, Rule

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Those with a private key that only the issuer has.  Never `none`, and never HS…: then the public key, which everybody
knows, would be the secret."""
_LEEWAY_SECONDS = 60
"""Clocks of two machines differ."""
_LONGEST = 16 * 1024
_PARTS = 3
_LONGEST_NAME = 200
_SECOND = 1_000_000
_BROKEN = (ValueError, TypeError, KeyError, binascii.Error, RecursionError)


class ForeignTokens:
    """Reads tokens of one issuer.

    Args:
        published: where its keys are found.

    Example:
        bearers = Bearers([local, own, ForeignTokens(issuer, Published(issuer.url, clock), clock)])
    """

    def __init__(self, issuer: Issuer, published: Published, clock: Clock) -> None:
        self._issuer = issuer
        self._published = published
        self._clock = clock

    async def read(self, text: str) -> Claims | None:
        """Who sends it; None: it is of no such issuer.

        Raises:
            Unauthenticated: it is of this issuer, and not valid.
            Unavailable: the issuer's keys cannot be fetched.
        """
        if _unverified(text, 1).get("iss") != self._issuer.url:
            return None
        head = _unverified(text, 0)
        if head.get("alg") not in _ALGORITHMS:
            raise Unauthenticated(
                f"The token says that it is of {self._issuer.url}, but is not signed in a way that can be believed."
            )
        kid = str(head.get("kid", ""))
        keys = await self._published.keys(kid)
        if not kid and len(keys.keys) > 1:
            raise Unauthenticated(
                f"The token of {self._issuer.url} does not say which of the issuer's keys has signed it."
            )
        try:
            said = self._checked(text, keys)
            return self._claims(said)
        except (JoseError, *_BROKEN) as error:
            reason = getattr(error, "description", "") or type(error).__name__
            raise Unauthenticated(
                f"The token of {self._issuer.url} is not valid here ({reason}); log in again. If that does not help,"
                f" its audience must be {self._issuer.audience!r}."
            ) from None

    def _checked(self, text: str, keys: KeySet) -> dict[str, Any]:
        said = jwt.decode(text, keys, algorithms=_ALGORITHMS).claims
        now = self._clock.now_us() // _SECOND
        JWTClaimsRegistry(
            now,
            _LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer.url},
            aud={"essential": True, "value": self._issuer.audience},
            sub={"essential": True},
            exp={"essential": True},
        ).validate(said)
        return said

    def _claims(self, said: dict[str, Any]) -> Claims:
        subject = said["sub"]
        if not subject.isprintable() or len(subject) > _LONGEST_NAME:
            raise ValueError("sub")
        return Claims(
            subject=f"user:{subject}",
            name=_name(said) or subject,
            kind="person",
            grants=tuple(
                Grant(Role(rule.role), rule.project)
                for rule in self._issuer.rules
                if _has(said, rule)
            ),
            expires_at=(int(said["exp"]) + _LEEWAY_SECONDS) * _SECOND,
        )


def _unverified(text: str, part: int) -> dict[str, Any]:
    """A part of a token that nobody has checked yet: good for finding out who could check it, and for nothing else."""
    parts = text.split(".")
    if len(parts) != _PARTS or len(text) > _LONGEST or not text.isascii():
        return {}
    try:
        encoded = parts[part]
        value = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except _BROKEN:
        return {}
    return value if isinstance(value, dict) else {}


def _name(said: dict[str, Any]) -> str:
    for claim in ("email", "preferred_username", "name"):
        value = said.get(claim)
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable():
            return value
    return ""


def _has(said: dict[str, Any], rule: Rule) -> bool:
    """Whether a rule is about whoever these claims are of."""
    match rule.claim:
        case "group":
            groups = [said.get("groups"), said.get("roles")]
            return any(isinstance(it, list) and rule.value in it for it in groups)
        case "email":
            # Many issuers let people write any address into their profile.
            return said.get("email_verified") is True and said.get("email") == rule.value
        case "client":
            return rule.value in {said.get("azp"), said.get("client_id")}
        case _:
            return said.get("sub") == rule.value
