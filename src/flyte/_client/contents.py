"""What can be sent: a file or buffers, in pieces, as often as it takes."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flyte import errors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PIECE_BYTES = 1024 * 1024


class Content(Protocol):
    """Bytes that can be read again from the start, should the connection break."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def pieces(self) -> AsyncGenerator[bytes]:
        """All bytes, from the start."""
        ...


class FileContent:
    """A file, read as it is sent.

    Raises:
        flyte.errors.StorageError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._size = path.stat().st_size
        except OSError as error:
            raise _unreadable(path, error) from error

    @property
    def size(self) -> int:
        return self._size

    async def pieces(self) -> AsyncGenerator[bytes]:
        """All bytes; a file that shrinks or grows meanwhile is an error."""
        try:
            with self._path.open("rb", buffering=0) as file:
                left = self._size
                while left:
                    piece = await asyncio.to_thread(file.read, min(left, PIECE_BYTES))
                    if not piece:
                        break
                    left -= len(piece)
                    yield piece
                now = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise _unreadable(self._path, error) from error
        if now != self._size:
            raise errors.StorageError(
                f"{self._path} had {self._size} bytes and has {now} now: it was changed while it was sent; "
                "send it again when nobody writes to it"
            )


class BufferContent:
    """Buffers of this process, one after the other; they are never joined."""

    def __init__(self, buffers: "Sequence[ReadableBuffer]") -> None:
        self._views = [memoryview(each).cast("B") for each in buffers]

    @property
    def size(self) -> int:
        return sum(view.nbytes for view in self._views)

    async def pieces(self) -> AsyncGenerator[bytes]:
        for view in self._views:
            for start in range(0, view.nbytes, PIECE_BYTES):
                yield bytes(view[start : start + PIECE_BYTES])


async def md5(content: Content) -> bytes:
    """The checksum that stores know: 16 bytes."""
    found = hashlib.md5(usedforsecurity=False)
    async for piece in content.pieces():
        await asyncio.to_thread(found.update, piece)
    return found.digest()


def _unreadable(path: Path, error: OSError) -> errors.StorageError:
    kind = (
        errors.StorageNotFoundError if isinstance(error, FileNotFoundError) else errors.StorageError
    )
    return kind(f"cannot read {path}: {error.strerror or type(error).__name__}")
