"""Our own tokens: claims, signed with a key that never leaves this machine.

Nobody but us reads them, so one secret key signs and checks (HS256).  It lies in a file beside the database and not in
it: a stolen copy of the database signs nothing.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, get_args

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from flyte_server.auth.claims import Claims, Kind, OwnRun
from flyte_server.auth.roles import Grant, Role
from flyte_server.clock import Clock
from flyte_server.domain.errors import Unauthenticated

ALGORITHM = "HS256"
ISSUER = "flyte-control-plane"
_MICROSECONDS = 1_000_000
_LONGEST = 8192
_KINDS: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}
_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError)


class Tokens:
    """Mints tokens and reads them.

    Args:
        key: of at least 32 random bytes.

    Example:
        tokens = Tokens(key, RealClock())
        claims = tokens.read(tokens.mint(Claims(subject="key:ci", name="ci", kind="key", expires_at=later)))
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = OctKey.import_key(key)
        self._clock = clock

    def mint(self, claims: Claims) -> str:
        """A token that says these claims."""
        said: dict[str, Any] = {
            "iss": ISSUER,
            "sub": claims.subject,
            "name": claims.name,
            "kind": claims.kind,
            "iat": self._clock.now_us() // _MICROSECONDS,
            "jti": secrets.token_hex(8),
            "grants": [[grant.role.value, grant.project] for grant in claims.grants],
        }
        if claims.expires_at:
            said["exp"] = claims.expires_at // _MICROSECONDS
        if claims.key:
            said["key"] = claims.key
        if claims.session:
            said["session"] = claims.session
        if claims.worker:
            said["worker"] = claims.worker
        if claims.run is not None:
            run = claims.run
            said["run"] = [run.project, run.domain, run.name, run.action, run.attempt, run.mark]
        return jwt.encode({"alg": ALGORITHM}, said, self._key, algorithms=[ALGORITHM])

    def signed(self, text: str) -> bool:
        """Whether a token was signed here; says nothing about its time."""
        if len(text) > _LONGEST or not _FORM.fullmatch(text):
            return False
        try:
            jwt.decode(text, self._key, algorithms=[ALGORITHM])
        except _BROKEN:
            return False
        return True

    def read(self, text: str) -> Claims:
        """What a token says.

        Raises:
            Unauthenticated: it is none of ours, was changed, or has expired.
        """
        if len(text) > _LONGEST or not _FORM.fullmatch(text):
            raise Unauthenticated("The token is none of this control plane; log in again.")
        try:
            said = jwt.decode(text, self._key, algorithms=[ALGORITHM]).claims
            claims = _claims(said)
        except _BROKEN:
            raise Unauthenticated(
                "The token was not signed by this control plane, or was changed; log in again, or make a new key:"
                " flyte create api-key NAME."
            ) from None
        if claims.expires_at and claims.expires_at <= self._clock.now_us():
            raise Unauthenticated(
                "The token has expired by the clock of the control plane; log in again, or ask for a new token."
            )
        return claims


def _claims(said: dict[str, Any]) -> Claims:
    if said["iss"] != ISSUER or not said["sub"]:
        raise ValueError(said["iss"])
    run = said.get("run")
    return Claims(
        subject=str(said["sub"]),
        name=str(said["name"]),
        kind=_KINDS[said["kind"]],
        grants=tuple(Grant(Role(role), project) for role, project in said["grants"]),
        run=None if run is None else OwnRun(*run),
        worker=str(said.get("worker", "")),
        key=str(said.get("key", "")),
        session=str(said.get("session", "")),
        expires_at=int(said.get("exp", 0)) * _MICROSECONDS,
    )
