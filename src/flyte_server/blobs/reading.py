"""Ranges of a file, given out in pieces."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from pathlib import Path
from typing import BinaryIO

_PIECE_BYTES = 1024 * 1024


class OpenBlob:
    """An open file: what is read from it fits together, even if another file gets its name meanwhile.

    Args:
        threads: where blocking reads are done.
    """

    def __init__(self, path: Path, threads: Executor) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._threads = threads
        self.status = os.fstat(self._file.fileno())

    @property
    def size(self) -> int:
        """Bytes."""
        return self.status.st_size

    @property
    def etag(self) -> str:
        return etag(self.status)

    async def pieces(self, first: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `first` up to, not including, `end`: as many as there are, even if the file grows."""
        loop = asyncio.get_running_loop()
        self._file.seek(first)
        while first < end:
            wanted = min(end - first, _PIECE_BYTES)
            piece = await loop.run_in_executor(self._threads, self._file.read, wanted)
            if not piece:
                return
            first += len(piece)
            yield piece

    def close(self) -> None:
        self._file.close()


def etag(status: os.stat_result) -> str:
    """A mark of a file's content, which changes when another content gets its name."""
    return f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
