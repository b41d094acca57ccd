"""An issuer outside, as an organization has one: where its people log in, and what they may do here.

Only the description; its tokens are read in `flyte_server.auth.oauth.foreign`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SCOPES = "openid profile email offline_access"
CLAIMS = ("group", "email", "subject", "client")
"""What a role can be given for."""
_ROLES = ("view", "run", "admin")
_EXAMPLE = '{"group:ml-team": "run:shop", "email:ada@example.com": "admin"}'


@dataclass(frozen=True, slots=True)
class Rule:
    """Whoever has this value in a claim gets a role."""

    claim: str
    """One of `CLAIMS`."""
    value: str
    role: str
    project: str | None
    """None: all projects."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OpenID Connect issuer that we believe."""

    url: str
    """Exactly as its tokens name it."""
    audience: str
    """For whom its tokens must be meant: for us."""
    client_id: str
    """As which our clients log in there."""
    rules: tuple[Rule, ...]
    """Nobody gets anything that stands in no rule."""
    scopes: tuple[str, ...] = tuple(_SCOPES.split())
    """What clients ask for there."""


def from_variables(variables: Mapping[str, str]) -> Issuer | None:
    """The issuer of the variables FLYTE_SERVER_OIDC_ISSUER, …_AUDIENCE, …_CLIENT_ID, …_ROLES and …_SCOPES; None if
    there is none.

    Raises:
        ValueError: one of them cannot be used; the message says which, and what to write.
    """
    names = ("ISSUER", "AUDIENCE", "CLIENT_ID", "ROLES", "SCOPES")
    url, audience, client_id, roles, scopes = (
        variables.get(f"FLYTE_SERVER_OIDC_{name}", "").strip() for name in names
    )
    if not url:
        return None
    _check_url(url)
    if not audience:
        raise ValueError(
            f"FLYTE_SERVER_OIDC_AUDIENCE is missing: without it, tokens that {url} made for other services would be"
            " taken; write the audience that it puts into tokens for this control plane."
        )
    return Issuer(
        url, audience, client_id or audience, _rules(roles), tuple((scopes or _SCOPES).split())
    )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if (parts.scheme != "https" and not local) or not parts.hostname or parts.query or "#" in url:
        raise ValueError(
            f"FLYTE_SERVER_OIDC_ISSUER={url!r} is no address of an issuer; write e.g. https://login.example.com."
        )


def _rules(text: str) -> tuple[Rule, ...]:
    try:
        entries = json.loads(text or "{}")
    except ValueError:
        entries = None
    if not isinstance(entries, dict) or not entries:
        raise ValueError(
            f"FLYTE_SERVER_OIDC_ROLES={text!r} says not who may do what; write e.g. {_EXAMPLE}."
        )
    return tuple(rule for who, roles in entries.items() for rule in _rules_for(who, roles))


def _rules_for(who: str, roles: object) -> list[Rule]:
    claim, _, value = who.partition(":")
    wanted = [roles] if isinstance(roles, str) else roles
    if claim not in CLAIMS or not value or not isinstance(wanted, list) or not wanted:
        raise ValueError(
            f"FLYTE_SERVER_OIDC_ROLES: the entry {who!r} is not CLAIM:VALUE with roles, where CLAIM is one of"
            f" {', '.join(CLAIMS)}; write e.g. {_EXAMPLE}."
        )
    return [_rule(claim, value, role) for role in wanted]


def _rule(claim: str, value: str, text: object) -> Rule:
    role, colon, project = str(text).partition(":")
    if role not in _ROLES or (colon and not project):
        raise ValueError(
            f"FLYTE_SERVER_OIDC_ROLES: {text!r} for {claim}:{value} is no role; write {', '.join(_ROLES)}, or"
            " ROLE:PROJECT."
        )
    return Rule(claim, value, role, project or None)
