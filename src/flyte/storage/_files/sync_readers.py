"""Objects to read in blocking code: what pandas, pyarrow, `csv` and `zipfile` take.

Nothing here needs an event loop, so it works on any thread, also where a loop is running.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flyte.storage import _addresses
from flyte.storage._config.kinds import Settings
from flyte.storage._faults import explained
from flyte.storage._objects import clients, whole
from flyte.storage._objects.clients import Place

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 4 * 1024 * 1024


def sync_reader(
    uri: str, *, settings: Settings = None, buffer_size: int = _BUFFER
) -> io.BufferedReader:
    """Open an object to read it in blocking code.

    Args:
        uri: a path, or an address of an object store.
        settings: of the object store; without them the environment's apply.
        buffer_size: bytes fetched by one request for who reads less.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; also by each read.

    Example:
        >>> with sync_reader("s3://bucket/table.parquet") as file:
        ...     table = pyarrow.parquet.read_table(file)
    """
    path = _addresses.local_path(uri)
    with explained("read", uri):
        if path is not None:
            return path.open("rb")
        return io.BufferedReader(_StoreReader(clients.reading(uri, settings)), buffer_size)


class _StoreReader(io.RawIOBase):
    def __init__(self, place: Place) -> None:
        self._place = place
        meta = clients.obstore().head(place.store, place.key)
        self._source = whole.Opened(place, meta["size"], meta["e_tag"], b"")
        self._position = 0
        self.name = place.uri

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}
        if whence not in base or base[whence] + offset < 0:
            raise ValueError(f"{self.name}: cannot go to {offset} (whence {whence})")
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        stop = min(self._position + len(view), self._source.size)
        if stop <= self._position:
            return 0
        with explained("read", self._place.uri):
            self._fill(view[: stop - self._position], self._position)
        count = stop - self._position
        self._position = stop
        return count

    def readall(self) -> bytes:
        content = bytearray(max(0, self._source.size - self._position))
        self.readinto(content)
        return bytes(content)

    def _fill(self, view: memoryview, start: int) -> None:
        """Read a range, a large one in several requests together."""
        cuts = range(0, len(view), whole.CHUNK_SIZE)
        if len(cuts) == 1:
            self._fetch(view, start)
            return
        with ThreadPoolExecutor(min(len(cuts), whole.concurrency(None))) as pool:
            parts = [
                pool.submit(self._fetch, view[cut : cut + whole.CHUNK_SIZE], start + cut)
                for cut in cuts
            ]
            for part in parts:
                part.result()

    def _fetch(self, view: memoryview, start: int) -> None:
        library = clients.obstore()
        options = whole.range_of(self._source, start, start + len(view))
        try:
            answer = library.get(self._place.store, self._place.key, options=options)
            view[:] = memoryview(answer.bytes())
        except library.exceptions.PreconditionError:
            raise whole.replaced(self._place.uri) from None
