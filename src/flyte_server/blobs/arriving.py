"""A stream becomes a file: all of it or nothing.

The content goes into a temporary neighbour, which gets the name when length and checksums are
right.  While one piece is being written in a thread, the next one comes in.
"""

import asyncio
import base64
import contextlib
import errno
import hashlib
import io
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import xxhash

from flyte_server.domain.errors import Invalid

PARTIAL_SUFFIX = ".part"
_PIECE_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Announced:
    """What a sender says about a content beforehand; what was not said is not checked."""

    length: int | None = None
    md5: str = ""
    """In base64, as in the Content-MD5 header."""
    sha256: str = ""
    """In hexadecimal."""


@dataclass(frozen=True, slots=True)
class Received:
    """What was stored."""

    size: int
    xxh3: str
    """Checksum of 128 bits in hexadecimal, with which the sender compares its own."""


@contextlib.asynccontextmanager
async def replacing(
    path: Path, threads: Executor | None, *, only_new: bool = False
) -> AsyncGenerator[Path]:
    """A temporary neighbour of `path`, which takes its place when the block ends well, and else goes away.

    Args:
        threads: where it is done: to free the blocks of a large file takes its time.
        only_new: leave alone what has the name already.

    Raises:
        FileExistsError: it has, and that was not wanted.
    """
    loop = asyncio.get_running_loop()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}{PARTIAL_SUFFIX}")
    try:
        yield temporary
        await loop.run_in_executor(threads, _name_new if only_new else _name, temporary, path)
    except BaseException:
        # A cancelled caller does not wait for it; the thread does it all the same.
        await asyncio.wait([loop.run_in_executor(threads, _remove, temporary)])
        raise


def _name(temporary: Path, path: Path) -> None:
    temporary.replace(path)


def _name_new(temporary: Path, path: Path) -> None:
    """Of two that do this at once, one succeeds."""
    path.hardlink_to(temporary)
    temporary.unlink()


def _remove(temporary: Path) -> None:
    temporary.unlink(missing_ok=True)


def is_partial(name: str) -> bool:
    """Whether a file of this name is still arriving."""
    return name.startswith(".") and name.endswith(PARTIAL_SUFFIX)


async def store(
    path: Path,
    chunks: AsyncIterator[bytes],
    announced: Announced,
    *,
    threads: Executor,
    only_new: bool = False,
) -> Received:
    """Store a stream under `path`.

    Args:
        threads: where blocking writes are done.
        only_new: leave alone what is there already.

    Raises:
        Invalid: the content is not the one that was announced; nothing is stored.
        OSError: the disk is full or broken, or something is there that shall stay; nothing is stored.
    """
    loop = asyncio.get_running_loop()
    async with replacing(path, threads, only_new=only_new) as temporary:
        _refuse_if_full(path.parent, announced.length)
        with temporary.open("wb", buffering=0) as file:
            incoming = _Incoming(file, announced)
            writing: asyncio.Future[None] = loop.create_future()
            writing.set_result(None)
            try:
                async for pieces in _gathered(chunks):
                    await _ended(writing)
                    writing = loop.run_in_executor(threads, incoming.add, pieces)
            finally:
                await _ended(writing)
        return incoming.checked()


async def whole(chunks: AsyncIterator[bytes], announced: Announced) -> bytes:
    """A stream as one value; for what was announced to be small.

    Raises:
        Invalid: the content is not the one that was announced.
    """
    content = io.BytesIO()
    incoming = _Incoming(content, announced)
    async for chunk in chunks:
        incoming.add([chunk])
        if announced.length is not None and content.tell() > announced.length:
            break
    incoming.checked()
    return content.getvalue()


async def _ended(writing: asyncio.Future[None]) -> None:
    """Wait for a thread; a cancelled caller does not cancel the future, so that the thread is waited for again."""
    await asyncio.wait([writing])
    writing.result()


class _Incoming:
    """The file that is being written, and the checksums of what is in it."""

    def __init__(self, file: BinaryIO, announced: Announced) -> None:
        self._file = file
        self._announced = announced
        self._xxh3 = xxhash.xxh3_128()
        self._md5 = hashlib.md5(usedforsecurity=False) if announced.md5 else None
        self._sha256 = hashlib.sha256() if announced.sha256 else None
        self._size = 0

    def add(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._xxh3.update(piece)
            if self._md5 is not None:
                self._md5.update(piece)
            if self._sha256 is not None:
                self._sha256.update(piece)
            self._size += len(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]

    def checked(self) -> Received:
        """What has arrived.

        Raises:
            Invalid: it is not what was announced.
        """
        announced = self._announced
        if announced.length is not None and announced.length != self._size:
            raise Invalid(
                f"The content has {self._size} bytes, announced were {announced.length}; send it "
                "again."
            )
        if self._md5 is not None:
            found = base64.b64encode(self._md5.digest()).decode()
            if found != announced.md5:
                raise Invalid(
                    f"The content has MD5 {found}, announced was {announced.md5}; send it again."
                )
        if self._sha256 is not None and self._sha256.hexdigest() != announced.sha256.lower():
            raise Invalid(
                f"The content has SHA-256 {self._sha256.hexdigest()}, announced was {announced.sha256}; send it again."
            )
        return Received(self._size, self._xxh3.hexdigest())


def _refuse_if_full(folder: Path, length: int | None) -> None:
    """Rather now than after gigabytes."""
    if length is not None and shutil.disk_usage(folder).free < length:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The same bytes in larger portions: a thread per network packet would cost more than the
    writing."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces
