"""A file on the machine of a control plane, read in pieces through its links."""

from typing import TYPE_CHECKING

from flyte import storage
from flyte.io import _blocking

if TYPE_CHECKING:
    from flyte._client.downloads import Download

_SMALLEST = 4 * 1024 * 1024
"""Bytes of a request: whoever reads lines must not ask for each."""
_LARGEST = 32 * 1024 * 1024


class FarFile(storage.Source):
    """What a `storage.Reader` reads from: memory holds one piece, whatever the file's size.

    Every request says which version of the file it is about, so that two are not mixed; a broken connection is
    resumed.
    """

    def __init__(self, download: "Download") -> None:
        self._download = download
        self.size = download.link.size

    async def piece(self, start: int, wanted: int) -> memoryview:
        length = min(max(wanted, _SMALLEST), _LARGEST)
        part = self._download.part(start, min(start + length, self.size))
        return memoryview(await _blocking.on_background(part))

    async def close(self) -> None:
        """Nothing to let go of: the connections are the control plane's."""
