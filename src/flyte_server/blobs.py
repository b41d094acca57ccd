"""Files of runs and uploads under the data directory, and signed links with which clients reach
them over HTTP.

A link is valid for one path, one verb and a limited time.  Links only ever lead into the data
directory: neither `..` nor a symbolic link gets out.  Contents are streamed; a file appears under
its name only when it is whole and its checksum is right.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from flyte_server.clock import Clock
from flyte_server.domain.errors import Conflict, Invalid, NotFound

LINK_PREFIX = "/blobs/"
_KEY_BYTES = 32
_CHUNK_BYTES = 1024 * 1024


class BadLink(Exception):  # noqa: N818 - named by what the reader must replace
    """A link is forged, spent or not meant for this use."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a signed link allows."""

    verb: str
    """`PUT` or `GET`."""
    path: str
    """Relative to the data directory, with `/`."""
    expires_at: int
    """Microseconds since the epoch."""
    md5: str = ""
    """Required checksum of the content (base64, as in the Content-MD5 header); empty: none."""


def load_key(path: Path) -> bytes:
    """The key in `path`; made on first use, readable by the owner only."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
    temporary.replace(path)
    return path.read_bytes()


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


class LocalBlobs:
    """Blobs as files under one directory.

    Args:
        root: the data directory.
        key: secret with which links are signed.
    """

    def __init__(self, root: Path, key: bytes, clock: Clock) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self._key = key
        self._clock = clock

    def uri(self, *parts: str) -> str:
        """Native address (a plain absolute path, which tasks can read) of a relative path."""
        return str(self.root.joinpath(*parts))

    def confined(self, relative: str) -> Path:
        """The file of a relative path.

        Raises:
            Invalid: the path leads out of the data directory.
        """
        path = self.root.joinpath(relative).resolve()
        if "\0" in relative or path == self.root or not path.is_relative_to(self.root):
            raise Invalid(f"The path {relative!r} leads out of the data directory {self.root}.")
        return path

    def relative(self, uri: str) -> str:
        """The relative path of a native address.

        Raises:
            Conflict: the address lies outside the data directory.
        """
        path = local_path(uri).resolve()
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
        async with self._arriving(path) as temporary:
            await asyncio.to_thread(temporary.write_bytes, content)
            temporary.replace(path)
        return str(path)

    def sign(self, link: Link) -> str:
        """The link as path and query, to be put behind `http://host:port`."""
        query = f"verb={link.verb}&expires={link.expires_at}&md5={quote(link.md5, safe='')}"
        return f"{LINK_PREFIX}{quote(link.path)}?{query}&signature={self._signature(link)}"

    def verify(self, link: Link, signature: str) -> Path:
        """The file that a link leads to.

        Raises:
            BadLink: the signature is wrong or the time is over.
        """
        if not hmac.compare_digest(self._signature(link), signature):
            raise BadLink("The link's signature is wrong; ask the control plane for a new link.")
        if link.expires_at < self._clock.now_us():
            raise BadLink("The link has expired; ask the control plane for a new one.")
        return self.confined(link.path)

    async def receive(self, path: Path, chunks: AsyncIterator[bytes], *, md5: str) -> None:
        """Store a stream under `path`.

        Raises:
            Invalid: the content is not the one that was announced; nothing is stored.
        """
        checksum = hashlib.md5(usedforsecurity=False)
        async with self._arriving(path) as temporary:
            with temporary.open("wb") as file:
                async for chunk in _gathered(chunks):
                    await asyncio.to_thread(_append, file, checksum, chunk)
            found = base64.b64encode(checksum.digest()).decode()
            if md5 and md5 != found:
                raise Invalid(f"The content has MD5 {found}, announced was {md5}; send it again.")
            temporary.replace(path)

    async def size(self, path: Path) -> int | None:
        """Bytes of a file; None if there is none."""
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            return None

    async def send(self, path: Path, size: int) -> AsyncIterator[bytes]:
        """The first `size` bytes of `path` in pieces: as many as were announced, even if the file
        grows."""
        with path.open("rb") as file:
            while size > 0 and (
                chunk := await asyncio.to_thread(file.read, min(size, _CHUNK_BYTES))
            ):
                size -= len(chunk)
                yield chunk

    @contextlib.asynccontextmanager
    async def _arriving(self, path: Path) -> AsyncGenerator[Path]:
        """A temporary neighbour of `path`; it is gone afterwards, renamed or deleted."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _signature(self, link: Link) -> str:
        text = "\0".join((link.verb, link.path, str(link.expires_at), link.md5))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _append(file: BinaryIO, checksum: "hashlib._Hash", chunk: bytes) -> None:
    checksum.update(chunk)
    file.write(chunk)


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: a thread per network packet would cost more than the
    writing."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= _CHUNK_BYTES:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    yield b"".join(pieces)
