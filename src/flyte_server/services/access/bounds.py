"""Where a control plane may listen: what other machines can reach must know who asks, and be encrypted."""

from flyte_server.auth.keys import Keys
from flyte_server.domain.errors import StoreUnusable
from flyte_server.settings import Settings


async def refuse_open_doors(settings: Settings, keys: Keys, *, has_issuer: bool = False) -> None:
    """Refuse to listen where others can connect, unless they are asked who they are.

    Args:
        has_issuer: somebody else's tokens are believed, so people can log in without a key of ours.

    Raises:
        StoreUnusable: with the next step.
    """
    if not settings.exposed:
        return
    if settings.auth == "none":
        raise StoreUnusable(
            f"With --auth none whoever reaches {settings.host} could run code here: listen on this machine only (leave"
            " --host out), or leave --auth none out."
        )
    if settings.tls is None:
        raise StoreUnusable(
            f"On {settings.host} other machines can connect, and tokens would travel readable: give --tls-cert FILE and"
            " --tls-key FILE, or listen on this machine only (leave --host out)."
        )
    if not has_issuer and not await keys.usable():
        raise StoreUnusable(
            f"On {settings.host} other machines can connect, but nobody there could log in: start without --host, make"
            " a key with 'flyte create api-key NAME --role admin', and start again; or name an issuer by"
            " FLYTE_SERVER_OIDC_ISSUER."
        )
