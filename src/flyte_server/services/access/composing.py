"""What the gate is made of, put together."""

from dataclasses import dataclass

from flyte_server.auth import bearers, files
from flyte_server.auth.bearers import Bearers, LocalToken, OwnTokens, Reader
from flyte_server.auth.keys import Keys
from flyte_server.auth.oauth.foreign import ForeignTokens
from flyte_server.auth.oauth.published import Published
from flyte_server.auth.oauth.sessions import Sessions
from flyte_server.auth.tokens import Tokens
from flyte_server.clock import Clock
from flyte_server.services.access import callers
from flyte_server.services.access.auditing import Audit
from flyte_server.services.access.callers import Caller
from flyte_server.services.access.oauth import mounting
from flyte_server.services.access.oauth.metadata import Elsewhere
from flyte_server.services.access.oauth.mounting import Ground, OAuth
from flyte_server.services.access.standing import Standing
from flyte_server.settings import Settings
from flyte_server.store.database import Database


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that knows who somebody is."""

    keys: Keys
    tokens: Tokens
    bearers: Bearers
    standing: Standing
    audit: Audit
    oauth: OAuth
    everybody: Caller | None
    """Who sends requests without a token, where nobody is asked."""


def access(settings: Settings, database: Database, clock: Clock, *others: Reader) -> Access:
    """The parts; makes the signing key and the local token on their first use.

    Args:
        others: readers of tokens that we have not minted.

    Raises:
        StoreUnusable: one of the two files cannot be read or made.
    """
    keys = Keys(database, clock)
    key, token = files.signing_key(settings.auth_key), files.local_token(settings.local_token)
    tokens = Tokens(key, clock)
    local = LocalToken(token, settings.user)
    scheme = settings.endpoint.partition(":")[0]
    elsewhere = _elsewhere(settings, clock)
    if elsewhere is not None:
        others = (ForeignTokens(elsewhere.issuer, elsewhere.published, clock), *others)
    ground = Ground(key=key, token=token, user=settings.user, scheme=scheme)
    own = OwnTokens(tokens, trial=bool(others))
    everybody = callers.from_claims(bearers.local(settings.user))
    return Access(
        keys=keys,
        tokens=tokens,
        bearers=Bearers([local, own, *others]),
        standing=Standing(keys, Sessions(database, clock), clock),
        audit=Audit(database, clock),
        oauth=mounting.make(database, clock, ground, elsewhere=elsewhere),
        everybody=everybody if settings.auth == "none" else None,
    )


def _elsewhere(settings: Settings, clock: Clock) -> Elsewhere | None:
    """The issuer at which people log in; None: they log in here."""
    if settings.issuer is None:
        return None
    return Elsewhere(settings.issuer, Published(settings.issuer.url, clock))
