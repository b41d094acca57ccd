"""How often an address may be wrong: who guesses is slowed down, who made a mistake is not."""

import ipaddress
from collections import OrderedDict

from flyte_server.clock import Clock
from flyte_server.services.http.asgi import Scope

_MOST_FAILURES = 10
WINDOW_SECONDS = 60
_MOST_ADDRESSES = 10_000
_NETWORK_BITS = 64
"""One person with IPv6 has so many addresses that single ones say nothing."""


class Tries:
    """Counts what went wrong, by address, for a minute.

    Kept in memory: a restart forgets it, and there are no restarts that a stranger can cause.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def exhausted(self, address: str) -> bool:
        """Whether this address has to wait."""
        begun, count = self._failures.get(address, (0.0, 0))
        return count >= _MOST_FAILURES and self._clock.monotonic() - begun < WINDOW_SECONDS

    def failed(self, address: str) -> None:
        """Somebody there was wrong."""
        now = self._clock.monotonic()
        begun, count = self._failures.pop(address, (now, 0))
        if now - begun >= WINDOW_SECONDS:
            begun, count = now, 0
        self._failures[address] = (begun, count + 1)
        while len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)


def address(scope: Scope) -> str:
    """Where a request comes from, as far as it is worth to be told apart."""
    client = scope.get("client")
    if not client:
        return ""
    try:
        found = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
