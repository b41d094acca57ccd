"""Objects to read in asynchronous code: seekable, and fetched ahead of who reads on and on."""

import asyncio
import io
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, Self

from flyte.storage import _addresses
from flyte.storage._config.kinds import Settings
from flyte.storage._faults import explained
from flyte.storage._objects import clients, whole

_AT_ONCE = 1024 * 1024
"""Bytes of a local file that are read without another thread."""

_FIRST = 1024 * 1024
"""Bytes that are fetched when an object is opened: all of a small one, the header of a large one."""


async def reader(
    uri: str,
    *,
    settings: Settings = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
) -> "Reader":
    """Open an object to read it.

    Args:
        uri: a path, or an address of an object store.
        settings: of the object store; without them the environment's apply.
        chunk_size: bytes of one request.
        max_concurrency: how many requests may be ahead of who reads on and on.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; also by each read.

    Example:
        >>> async with await reader("s3://bucket/table.csv") as file:
        ...     header = await file.readline()
    """
    path = _addresses.local_path(uri)
    with explained("read", uri):
        if path is not None:
            return Reader(uri, _OfPath(path))
        source = await whole.opened(clients.reading(uri, settings), _FIRST)
        chunk = chunk_size or whole.CHUNK_SIZE
        return Reader(uri, _OfStore(source, chunk, whole.concurrency(max_concurrency)))


class Reader:
    """An object that is open for reading; `reader` makes it."""

    def __init__(self, uri: str, source: "Source") -> None:
        self._uri = uri
        self._source = source
        self._position = 0
        self._piece = memoryview(b"")

    @property
    def size(self) -> int:
        """Bytes of the whole object."""
        return self._source.size

    async def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end; without a size all that is left."""
        wanted = self._left if size < 0 else min(size, self._left)
        pieces: list[memoryview] = []
        while wanted:
            piece = (await self._next(wanted))[:wanted]
            self._advance(len(piece))
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    async def readall(self) -> bytes:
        """All that is left."""
        return await self.read()

    async def readline(self) -> bytes:
        """The next line with its end; nothing at the end of the object."""
        pieces: list[bytes] = []
        while self._left:
            piece = await self._next(_AT_ONCE)
            # A view cannot be searched; lines are short, so only the start is copied at first.
            start = bytes(piece[:4096])
            if (found := start.find(b"\n")) < 0 and len(piece) > len(start):
                start = bytes(piece)
                found = start.find(b"\n")
            line = start[: found + 1] if found >= 0 else start
            self._advance(len(line))
            pieces.append(line)
            if found >= 0:
                break
        return b"".join(pieces)

    async def readlines(self) -> list[bytes]:
        """All lines that are left."""
        return [line async for line in self]

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place; the new position.

        Raises:
            ValueError: the place is before the beginning, or `whence` is none of 0, 1 and 2.
        """
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError(f"{self._uri}: cannot go to {offset} (whence {whence})")
        moved = base + offset - self._position
        self._piece = self._piece[moved:] if 0 <= moved <= len(self._piece) else memoryview(b"")
        self._position += moved
        return self._position

    async def tell(self) -> int:
        """The position: bytes from the beginning."""
        return self._position

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    async def close(self) -> None:
        """Let go of the file or of what is on its way; may be called again."""
        self._piece = memoryview(b"")
        await self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while line := await self.readline():
            yield line

    @property
    def _left(self) -> int:
        return max(0, self.size - self._position)

    async def _next(self, wanted: int) -> memoryview:
        if not self._piece:
            with explained("read", self._uri):
                self._piece = await self._source.piece(self._position, wanted)
        return self._piece

    def _advance(self, count: int) -> None:
        self._piece = self._piece[count:]
        self._position += count


class Source(ABC):
    """Where a reader's pieces come from: a file, an object, or the links of a control plane (`flyte.io`)."""

    size: int
    """Bytes of the whole."""

    @abstractmethod
    async def piece(self, start: int, wanted: int) -> memoryview:
        """At least one byte from `start`, which is before the end; how much is the source's choice."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything."""


class _OfPath(Source):
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._path = path
        self.size = self._file.seek(0, io.SEEK_END)

    async def piece(self, start: int, wanted: int) -> memoryview:
        if wanted <= _AT_ONCE:
            content = self._read(start, max(wanted, _AT_ONCE // 4))
        else:
            content = await asyncio.to_thread(self._read, start, min(wanted, whole.CHUNK_SIZE))
        if not content:
            raise OSError(None, f"it was cut to {start} bytes while it was read")
        return memoryview(content)

    def _read(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    async def close(self) -> None:
        self._file.close()


class _OfStore(Source):
    def __init__(self, source: whole.Opened, chunk_size: int, concurrency: int) -> None:
        self._source = source
        self._chunk_size = chunk_size
        self._concurrency = concurrency
        self._ahead: AsyncGenerator[Any, None] | None = None
        self._expected = 0
        self.size = source.size

    async def piece(self, start: int, wanted: int) -> memoryview:
        ahead = self._ahead
        if ahead is None or start != self._expected:
            await self.close()
            self._ahead = ahead = whole.chunks(
                self._source,
                chunk_size=self._chunk_size,
                max_concurrency=self._concurrency,
                start=start,
                ramp=True,
            )
        content = memoryview(await anext(ahead))
        self._expected = start + len(content)
        return content

    async def close(self) -> None:
        if self._ahead is not None:
            await self._ahead.aclose()
            self._ahead = None
