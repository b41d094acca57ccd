"""Large values in the store of the run, under the checksum of their content."""

from typing import TYPE_CHECKING

from flyte import errors, storage
from flyte._runtime.arguments import TaskArguments
from flyte.types import _framing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

_FOLDER = "large"
"""Beside the directories of the run's actions, whose names are never words."""


def of_attempt(arguments: TaskArguments) -> "StorageCarrier":
    """What keeps the large values of a task's process."""
    base = arguments.run_base or arguments.outputs_path
    return StorageCarrier(base, dict(arguments.storage_options))


class StorageCarrier:
    """Implements `_wire.carriers.Carrier` on `flyte.storage`.

    What a task passes on has its checksum already, so it is found and not written again.  Addresses are absolute: a
    cache hit reads what another run has written.

    Args:
        base: parent of the directories of the run's actions, or of one attempt; empty: only for reading.
        settings: of the object store.
    """

    def __init__(self, base: str, settings: storage.Settings = None) -> None:
        self._base = base
        self._settings = settings

    async def put(self, pieces: "Sequence[Buffer]", digest: str) -> str:
        """Write the pieces below the run, unless a file of this name and size is there."""
        uri = storage.join(self._base, _FOLDER, digest)
        if await self._size(uri) != _framing.size(pieces):
            await storage.write(uri, pieces, settings=self._settings)
        return uri

    async def get(self, uri: str, size: int) -> memoryview:
        """What is at an address: pages of the file where it is one, which are private to the reader."""
        return memoryview(await storage.map(uri, settings=self._settings))

    async def _size(self, uri: str) -> int | None:
        try:
            return (await storage.stat(uri, settings=self._settings)).size
        except errors.StorageNotFoundError:
            return None
