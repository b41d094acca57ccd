"""The audit log: who changed what, and who was not allowed to.

An entry says which method was called about what, never with which values: secrets and inputs are not in it.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence

from flyte_server.clock import Clock
from flyte_server.services import faults
from flyte_server.services.access.callers import Caller
from flyte_server.services.access.places import Place
from flyte_server.store.access import audit
from flyte_server.store.access.audit import Entry
from flyte_server.store.database import Database

OK = "ok"
BEGUN = "begun"
"""It was under way when the control plane ended, or when it was given up: nobody knows how it ended."""
_MOST_ENTRIES = 200_000
_KEEP_US = 365 * 24 * 3600 * 1_000_000
_LONGEST_TARGET = 500


class Audit:
    """Writes entries.

    Example:
        async with audit.of("Service/Method", caller, places, "10.0.0.7:51234"):
            ...  # what it does ends in an entry, be it by an exception
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @contextlib.asynccontextmanager
    async def of(
        self, method: str, caller: Caller, places: Sequence[Place], address: str | None
    ) -> AsyncGenerator[None]:
        """Write down that the block begins, and how it ends before anybody is told.

        The entry is older than the change, so no crash and no power cut leaves a change without one.
        """
        number = await self._begin(method, caller, places, address=address)
        try:
            yield
        except Exception as error:
            await self._database.write(audit.settle, number, faults.code(error))
            raise
        await self._database.write(audit.settle, number, OK)

    async def _begin(
        self,
        method: str,
        caller: Caller,
        places: Sequence[Place],
        *,
        address: str | None,
    ) -> int:
        targets = ", ".join(dict.fromkeys(filter(None, map(str, places))))
        entry = Entry(
            at=self._clock.now_us(),
            subject=caller.subject,
            name=caller.name,
            kind=caller.kind,
            method=method,
            project=next((place.project for place in places if place.project), ""),
            target=targets[:_LONGEST_TARGET],
            outcome=BEGUN,
            address=(address or "").rpartition(":")[0],
        )
        return await self._database.write(audit.add, entry, most=_MOST_ENTRIES, keep_us=_KEEP_US)
