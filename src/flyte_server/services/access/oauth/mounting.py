"""OAuth as a whole, put together for the registry."""

from dataclasses import dataclass

from flyte_server.auth.bearers import local
from flyte_server.auth.oauth.desk import Desk, Owner
from flyte_server.auth.tokens import Tokens
from flyte_server.clock import Clock
from flyte_server.services.access.auditing import Audit
from flyte_server.services.access.oauth.endpoints import PREFIXES, Endpoints
from flyte_server.services.access.oauth.forwarding import Forwarding
from flyte_server.services.access.oauth.metadata import AuthMetadataService, Elsewhere
from flyte_server.services.access.oauth.seals import Seals
from flyte_server.services.access.oauth.tries import Tries
from flyte_server.services.http.asgi import App
from flyte_server.store.database import Database


@dataclass(frozen=True, slots=True)
class OAuth:
    """What is mounted."""

    routes: dict[str, App]
    metadata: AuthMetadataService


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What OAuth stands on."""

    key: bytes
    """With which tokens are signed."""
    token: str
    """Of the data directory."""
    user: str
    """Whose machine it is."""
    scheme: str
    """`http` or `https`: how this control plane is reached."""


def make(
    database: Database, clock: Clock, ground: Ground, *, elsewhere: Elsewhere | None = None
) -> OAuth:
    """Endpoints, pages and metadata.

    Args:
        elsewhere: the issuer at which people log in; None: they log in here.
    """
    owner = Owner(ground.token, local(ground.user))
    desk = Desk(database, Tokens(ground.key, clock), clock, owner=owner)
    endpoints = Endpoints(
        desk,
        Seals(ground.key, clock),
        Tries(clock),
        audit=Audit(database, clock),
        scheme=ground.scheme,
        forwarding=None if elsewhere is None else Forwarding(elsewhere),
    )
    routes: dict[str, App] = dict.fromkeys(PREFIXES, endpoints)
    return OAuth(routes, AuthMetadataService(ground.scheme, elsewhere))
