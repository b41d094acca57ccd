"""Whether what a token stems from still holds: its API key, its login, its time."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from flyte_server.auth.keys import Keys
from flyte_server.auth.oauth.sessions import Sessions
from flyte_server.clock import Clock
from flyte_server.domain.errors import Unauthenticated
from flyte_server.services.access.callers import Caller

_MEMORY_US = 500_000
"""A revoked key is refused after so long at the latest."""
_REMEMBERED = 4096


class Standing:
    """Asks the rows, but not more often than twice in a second for the same key."""

    def __init__(self, keys: Keys, sessions: Sessions, clock: Clock) -> None:
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._seen: OrderedDict[str, int] = OrderedDict()

    async def check(self, caller: Caller) -> None:
        """Whether the caller may still be here.

        Raises:
            Unauthenticated: the key was revoked, the login ended, or the time is over.
        """
        if caller.expires_at and caller.expires_at <= self._clock.now_us():
            raise Unauthenticated(
                "The token has expired by the clock of the control plane; log in again, or ask for a new token."
            )
        if caller.key:
            await self._look(f"key {caller.key}", caller.key, self._keys.alive)
        if caller.session:
            await self._look(f"session {caller.session}", caller.session, self._sessions.alive)

    async def _look(self, name: str, id_: str, alive: Callable[[str], Awaitable[object]]) -> None:
        now = self._clock.now_us()
        if 0 <= now - self._seen.get(name, -_MEMORY_US) < _MEMORY_US:
            return
        await alive(id_)
        self._seen[name] = now
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
