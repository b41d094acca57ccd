"""Large values of a client: sent to, and fetched from, the store of its control plane."""

from typing import TYPE_CHECKING

from flyte import _session, storage
from flyte._client.data import DataLinks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from flyte._session import Session

_FOLDER = "large"


class LinkCarrier:
    """Implements `_wire.carriers.Carrier` outside of tasks, where the store is the control plane's.

    Nothing is asked of the control plane before the first large value.

    Args:
        session: whose control plane it is; the current one by default.
        project: what values are sent to; the session's by default.
        domain: likewise.
        direct: read and write files that this machine shares with the control plane without HTTP.
    """

    def __init__(
        self,
        session: "Session | None" = None,
        *,
        project: str | None = None,
        domain: str | None = None,
        direct: bool = True,
    ) -> None:
        self._session = session or _session.current()
        self._project = project or self._session.project
        self._domain = domain or self._session.domain
        self._direct = direct

    async def put(self, pieces: "Sequence[Buffer]", digest: str) -> str:
        """Send the pieces; equal ones are sent once."""
        links = await self._links(start=True)
        return await links.upload(pieces, digest, folder=_FOLDER, reuse=True)

    async def get(self, uri: str, size: int) -> memoryview:
        """What is at an address: in place if this machine has it, else through a link or from the object store."""
        if storage.is_remote(uri):
            return memoryview(await storage.map(uri, settings=self._session.storage))
        links = await self._links(start=False)
        if await links.is_here(uri):
            return memoryview(await storage.map(uri))
        return memoryview(await links.read(uri))

    async def _links(self, *, start: bool) -> DataLinks:
        _, plane = await self._session.link.open(self._session, start=start)
        session = self._session
        return DataLinks(plane, self._project, self._domain, session.org, direct=self._direct)
