"""From a signed link into a file or into memory: several ranges at once, each resumed where it broke."""

import asyncio
import errno
import os
import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

import pyqwest

from flyte import errors
from flyte._client import transfer, transport
from flyte._client.concurrency import together
from flyte._client.transfer import Piece, Span, Tries
from flyte.storage.digests import Digest, Hasher

RANGE_BYTES = 32 * 1024 * 1024
"""Smaller files come in one piece."""

_RANGES_AT_ONCE = 4
"""Each of them has a connection of its own: a distant server is seldom slow on all of them at once."""
_COPY_BYTES = 1024 * 1024
_EXPIRED = 403
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file of the control plane, and where it can be had for a while."""

    uri: str
    signed_url: str
    size: int
    etag: str


class Target(Protocol):
    """Where the bytes go."""

    async def put(self, offset: int, piece: Piece) -> None:
        """Take a piece that belongs at `offset`."""
        ...


class Memory:
    """A target of known size in memory."""

    def __init__(self, size: int) -> None:
        self.content = bytearray(size)

    async def put(self, offset: int, piece: Piece) -> None:
        self.content[offset : offset + len(piece)] = piece


class OpenFile:
    """A file that is being written at several places."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()

    async def put(self, offset: int, piece: Piece) -> None:
        try:
            await asyncio.to_thread(self._write, offset, memoryview(piece))
        except OSError as error:
            raise _Unwritable(error) from error

    def _write(self, offset: int, rest: memoryview) -> None:
        while rest:
            written = os.pwrite(self._descriptor, rest, offset)
            offset, rest = offset + written, rest[written:]


class _Unwritable(Exception):  # noqa: N818 - carries an OSError past those that mean a broken connection
    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way.

    Args:
        renew: gets another link to the same file, because a link may not live as long as a slow download.
    """

    client: pyqwest.Client
    link: FileLink
    renew: Callable[[], Awaitable[FileLink]]

    async def fetch(self, target: Target, first: int, end: int) -> None:
        """Bring the bytes from `first` up to `end`; in `target`, the first of them is at 0.

        Raises:
            flyte.errors.StorageError: with the class that says what to do.
        """
        ranges = (
            partial(self._range, target, start, min(start + RANGE_BYTES, end), base=first)
            for start in range(first, end, RANGE_BYTES)
        )
        # On one machine there is no distance to hide, and the ranges would only get in each other's way.
        near = transport.is_loopback(self.link.signed_url)
        await together(ranges, at_once=1 if near else _RANGES_AT_ONCE)

    async def part(self, first: int, end: int) -> bytearray:
        """The bytes from `first` up to `end`; raises as `fetch`."""
        target = Memory(end - first)
        await self.fetch(target, first, end)
        return target.content

    async def _range(self, target: Target, first: int, end: int, *, base: int) -> None:
        at, link = first, self.link
        tries = Tries("GET", link.signed_url, passing=transfer.PASSING | {_EXPIRED})

        async def sink(piece: Piece) -> None:
            nonlocal at
            await target.put(at - base, piece)
            at += len(piece)
            tries.moved()

        while at < end:
            try:
                await transfer.get(self.client, link.signed_url, Span(at, end, link.etag), sink)
            except transfer.PROBLEMS as problem:
                await tries.pause(problem)
                if isinstance(problem, transfer.Refused):
                    link = await self.renew()


async def to_file(download: Download, to: Path, *, expected: str | None) -> Digest:
    """Bring all of a file, all or nothing.

    Raises:
        flyte.errors.DataCorruptionError: its checksum is not the `expected` one.
        flyte.errors.StorageFullError: there is no room for it.
    """
    try:
        with _replacing(to) as temporary:
            with temporary.open("wb") as file:
                await download.fetch(OpenFile(file), 0, download.link.size)
            found = await asyncio.to_thread(_checksum, temporary)
            if expected not in (None, found.xxh3):
                raise errors.DataCorruptionError(
                    f"{download.link.uri} has the checksum {found.xxh3}, expected was {expected}; "
                    "it was changed after it was stored: make it again"
                )
    except OSError as error:
        raise _failed(to, error) from error
    except _Unwritable as error:
        raise _failed(to, error.reason) from error
    return found


@contextmanager
def _replacing(path: Path) -> Generator[Path]:
    """A temporary neighbour of `path` that takes its place when the block ends well, and else goes away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _checksum(path: Path) -> Digest:
    hasher = Hasher()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_COPY_BYTES):
            hasher.update(piece)
    return hasher.digest()


def _failed(path: Path, error: OSError) -> errors.StorageError:
    kind = errors.StorageFullError if error.errno in _FULL else errors.StorageError
    return kind(f"cannot write {path}: {error.strerror or type(error).__name__}")
