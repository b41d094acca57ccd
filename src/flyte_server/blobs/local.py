"""Blobs as files under one directory."""

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from flyte_server.blobs import arriving, listing, reading
from flyte_server.blobs.arriving import Announced, Received
from flyte_server.blobs.bucket import Bucket
from flyte_server.blobs.links import Link, Signer
from flyte_server.blobs.listing import Found
from flyte_server.blobs.reading import OpenBlob
from flyte_server.clock import Clock
from flyte_server.domain.errors import Conflict, DiskFull, Invalid, NotFound, StoreFailing

T = TypeVar("T")

_UPLOAD_PARTS = 4
"""`uploads/project/domain/folder`."""
_COPY_BYTES = 1024 * 1024
_THREADS = 4
"""Of their own, so that uploads to a slow disk hold up nothing else that needs a thread."""


def digest(content: bytes) -> str:
    """A name for a content: equal contents have equal names."""
    return hashlib.sha256(content).hexdigest()[:40]


def local_path(uri: str) -> Path:
    """The path that a plain absolute path or a `file://` URI names.

    Raises:
        Conflict: the URI names another kind of storage.
    """
    if uri.startswith("/"):
        return Path(uri)
    if uri.startswith("file:///"):
        return Path(unquote(urlsplit(uri).path))
    raise Conflict(
        f"The control plane cannot read {uri!r}: it keeps data in local files only. Use a run base "
        "directory that is an absolute path."
    )


def _touch(path: Path, root: Path) -> None:
    """A file, and the directories above it that were made for it."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for each in (path, *path.parents):
            if len(each.relative_to(root).parts) < _UPLOAD_PARTS:
                return
            os.utime(each)


def _join(target: Path, parts: Sequence[Path]) -> None:
    with target.open("wb") as file:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, _COPY_BYTES)


def _unwritten(path: Path, error: OSError) -> StoreFailing:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = shutil.disk_usage(path.anchor if not path.parent.exists() else path.parent).free
        return DiskFull(
            f"{path} cannot be written: the disk is full ({free:,} bytes are free); nothing was stored; make room"
            " ('flyte get storage' shows what takes it) and ask again"
        )
    return StoreFailing(
        f"{path} cannot be written ({error.strerror}): look at the disk of the data directory"
    )


class LocalBlobs:
    """Blobs as files under one directory.

    Args:
        root: the data directory.
        key: secret with which links are signed.
    """

    def __init__(self, root: Path, key: bytes, clock: Clock) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.bucket = Bucket.of(key, self.root)
        self._signer = Signer(key, clock)
        self._threads = ThreadPoolExecutor(_THREADS, "flyte-blobs")

    def close(self) -> None:
        """End the threads; blocks until they have done what they are at."""
        self._threads.shutdown(wait=True)

    def uri(self, *parts: str) -> str:
        """Native address (a plain absolute path, which tasks can read) of a relative path."""
        return str(self.root.joinpath(*parts))

    def confined(self, relative: str) -> Path:
        """The file of a relative path.

        Raises:
            Invalid: the path leads out of the data directory.
        """
        if "\0" in relative:  # no path at all: `resolve` would raise ValueError
            raise Invalid(f"The path {relative!r} has a NUL in it; leave it out.")
        path = self.root.joinpath(relative).resolve()
        if path == self.root or not path.is_relative_to(self.root):
            raise Invalid(f"The path {relative!r} leads out of the data directory {self.root}.")
        return path

    def relative(self, uri: str) -> str:
        """The relative path of a native address.

        Raises:
            Conflict: the address lies outside the data directory.
            Invalid: it is no address.
        """
        if "\0" in uri:
            raise Invalid(f"The address {uri!r} has a NUL in it; leave it out.")
        path = (self.bucket.path(uri) or local_path(uri)).resolve()
        if not path.is_relative_to(self.root):
            raise Conflict(
                f"No link can be made to {uri!r}: it lies outside the data directory {self.root}. "
                "Read it there directly."
            )
        return path.relative_to(self.root).as_posix()

    async def read(self, uri: str) -> bytes:
        """The whole content of a native address.

        Raises:
            NotFound: there is no such file.
        """
        path = local_path(uri)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"There is no file at {uri}; was the data directory cleaned?") from error

    async def write(self, relative: str, content: bytes) -> str:
        """Write a file at once (a reader sees all of it or nothing) and return its native
        address."""
        path = self.confined(relative)
        try:
            async with arriving.replacing(path, None) as temporary:
                await asyncio.to_thread(temporary.write_bytes, content)
        except OSError as error:
            raise _unwritten(path, error) from error
        return str(path)

    async def renew(self, relative: str) -> None:
        """Somebody is about to use a file that may be there: it counts as just sent, so that it is not removed."""
        path = self.confined(relative)
        await asyncio.to_thread(_touch, path, self.root)

    def sign(self, link: Link) -> str:
        """The link as path and query, to be put behind `http://host:port`."""
        return self._signer.sign(link)

    def verify(self, link: Link, signature: str) -> Path:
        """The file that a link leads to.

        Raises:
            BadLink: the signature is wrong or the time is over.
        """
        self._signer.check(link, signature)
        return self.confined(link.path)

    def secret(self, text: str) -> str:
        """What only we can make of a text: see `links.Signer.secret`."""
        return self._signer.secret(text)

    async def receive(
        self,
        path: Path,
        chunks: AsyncIterator[bytes],
        announced: Announced,
        *,
        only_new: bool = False,
    ) -> Received:
        """Store a stream under `path`.

        Raises:
            Invalid: the content is not the one that was announced; nothing is stored.
            FileExistsError: something is there, and `only_new` is set; nothing is stored.
        """
        return await arriving.store(
            path, chunks, announced, threads=self._threads, only_new=only_new
        )

    async def whole(self, chunks: AsyncIterator[bytes], announced: Announced) -> bytes:
        """A stream as one value: see `arriving.whole`."""
        return await arriving.whole(chunks, announced)

    async def mark(self, path: Path) -> tuple[str, float]:
        """Etag of a file, and when it was changed (seconds since the epoch)."""
        status = await self.in_thread(path.stat)
        return reading.etag(status), status.st_mtime

    async def join(self, path: Path, parts: Sequence[Path], *, only_new: bool = False) -> None:
        """Store the contents of files, one behind the other, under `path`: all of it or nothing.

        Raises:
            FileExistsError: something is there, and `only_new` is set.
            FileNotFoundError: one of the files is gone.
        """
        async with arriving.replacing(path, self._threads, only_new=only_new) as temporary:
            await self.in_thread(lambda: _join(temporary, parts))

    async def remove(self, path: Path) -> None:
        """Delete a file; it may be gone already."""
        with contextlib.suppress(NotADirectoryError, IsADirectoryError):
            await self.in_thread(lambda: path.unlink(missing_ok=True))

    async def keys(self, prefix: str, *, after: str, limit: int, shallow: bool) -> list[Found]:
        """Files whose relative paths begin with `prefix`: see `listing.keys`."""
        return await self.in_thread(
            lambda: listing.keys(self.root, prefix, after=after, limit=limit, shallow=shallow)
        )

    @contextlib.asynccontextmanager
    async def opened(self, path: Path) -> AsyncGenerator[OpenBlob | None]:
        """A file to read from; None if there is none."""
        try:
            blob = await self.in_thread(lambda: OpenBlob(path, self._threads))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            yield None
            return
        with contextlib.closing(blob):
            yield blob

    async def list(self, relative: str, *, after: str, limit: int) -> list[Found]:
        """Up to `limit` files below a relative path whose names come after `after`, sorted.

        Raises:
            NotFound: there is neither a file nor a directory.
        """
        start = self.confined(relative)
        try:
            return await self.in_thread(lambda: listing.page(start, after=after, limit=limit))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"There is nothing at {start}; was it deleted?") from error

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something that blocks in one of the threads for files."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
