"""Objects to write in asynchronous code: they appear, whole, when they are closed."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flyte.storage import _addresses, _local
from flyte.storage._config.kinds import Settings
from flyte.storage._faults import explained
from flyte.storage._objects import clients, whole
from flyte.storage._objects.parts import Upload
from flyte.storage.digests import Digest, Hasher

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_AT_ONCE = 1024 * 1024
"""Bytes that are written to a local file without another thread."""


async def writer(
    uri: str,
    *,
    settings: Settings = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
    size_hint: int | None = None,
) -> "Writer":
    """Open an object to write it; it appears, whole, when it is closed.

    Args:
        uri: a path, or an address of an object store.
        settings: of the object store; without them the environment's apply.
        chunk_size: bytes of one part; stores want at least 5 MiB, and at most 10,000 parts.
        max_concurrency: parts on their way together.
        size_hint: how many bytes there will be, more or less; above 160 GB parts must be longer.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; also by each write.

    Example:
        >>> async with await writer("s3://bucket/table.csv") as file:
        ...     await file.write(b"a,b\\n")
        >>> file.digest.size
        4
    """
    path = _addresses.local_path(uri)
    with explained("write", uri):
        if path is not None:
            return Writer(uri, _ToPath(path))
        place = clients.writing(uri, settings)
        part = max(whole.part_size(None, chunk_size), whole.part_size(size_hint, chunk_size))
        return Writer(uri, _ToStore(place, part, whole.concurrency(max_concurrency)))


class Writer:
    """An object that is open for writing; `writer` makes it.

    As a context manager it is published at the end of the block, and abandoned if the block fails.
    """

    def __init__(self, uri: str, target: "_Target") -> None:
        self._uri = uri
        self._target = target
        self._hasher = Hasher()
        self._digest: Digest | None = None
        self._open = True

    @property
    def digest(self) -> Digest:
        """Size and checksum of what was written.

        Raises:
            ValueError: the object is not closed yet, or was abandoned.
        """
        if self._digest is None:
            raise ValueError(f"{self._uri} has no digest: it was not closed, or was abandoned")
        return self._digest

    async def write(self, data: "ReadableBuffer") -> int:
        """Add bytes; their number."""
        self._check_open()
        view = memoryview(data).cast("B")
        self._hasher.update(view)
        with explained("write", self._uri):
            await self._target.write(data if isinstance(data, bytes) else view)
        return view.nbytes

    async def close(self) -> None:
        """Publish the object; nothing happens if it was published or abandoned before."""
        if not self._open:
            return
        self._open = False
        with explained("write", self._uri):
            await self._target.publish()
        self._digest = self._hasher.digest()

    async def abort(self) -> None:
        """Abandon what was written; what was at the address before stays."""
        self._open = False
        await self._target.abandon()

    async def flush(self) -> None:
        """Nothing: an object appears whole or not at all."""

    async def tell(self) -> int:
        """Bytes written so far."""
        return self._hasher.size

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """No."""
        return False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.close()
        else:
            await self.abort()

    def _check_open(self) -> None:
        if not self._open:
            raise ValueError(f"{self._uri} is closed; nothing more can be written to it")


class _Target(ABC):
    """Where a writer's pieces go."""

    @abstractmethod
    async def write(self, piece: bytes | memoryview) -> None:
        """Take a piece; a view may change afterwards, bytes do not."""

    @abstractmethod
    async def publish(self) -> None:
        """Make the object appear; on failure nothing is left."""

    @abstractmethod
    async def abandon(self) -> None:
        """Leave nothing; may be called at any time."""


class _ToPath(_Target):
    def __init__(self, path: Path) -> None:
        self._draft = _local.Draft(path)

    async def write(self, piece: bytes | memoryview) -> None:
        if len(piece) <= _AT_ONCE:
            self._draft.file.write(piece)
        else:
            await asyncio.to_thread(self._draft.file.write, piece)

    async def publish(self) -> None:
        self._draft.publish()

    async def abandon(self) -> None:
        self._draft.discard()


class _ToStore(_Target):
    """Small objects go in one request, when they are complete; others in parts, as they come."""

    def __init__(self, place: clients.Place, part_size: int, concurrency: int) -> None:
        self._place = place
        self._part_size = part_size
        self._held = bytearray()
        self._upload: Upload | None = None
        self._concurrency = concurrency

    async def write(self, piece: bytes | memoryview) -> None:
        if len(self._held) + len(piece) < self._part_size:
            self._held += piece
            return
        if self._upload is None:
            self._upload = Upload(
                self._place, chunk_size=self._part_size, max_concurrency=self._concurrency
            )
        if held := self._take():
            await self._upload.push(held)
        for start in range(0, len(piece), self._part_size):
            await self._upload.push(bytes(piece[start : start + self._part_size]))

    async def publish(self) -> None:
        if self._upload is None:
            await whole.put(self._place, self._take())
            return
        async with self._upload:
            if held := self._take():
                await self._upload.push(held)

    async def abandon(self) -> None:
        self._held.clear()
        if self._upload is not None:
            await self._upload.abandon()

    def _take(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held
