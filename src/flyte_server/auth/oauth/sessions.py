"""Whether a login still holds: what the gate asks before it believes a token of a person."""

from flyte_server.clock import Clock
from flyte_server.domain.errors import Unauthenticated
from flyte_server.store.access import logins
from flyte_server.store.database import Database


class Sessions:
    """Logins as the gate sees them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def alive(self, session: str) -> None:
        """Return if the login holds.

        Raises:
            Unauthenticated: it was ended.
        """
        row = await self._database.read(logins.session, session)
        if row is None or row.revoked_at is not None or row.expires_at <= self._clock.now_us():
            raise Unauthenticated(
                "This login was ended, because one of its codes was used twice or its time is over: log in again."
            )
