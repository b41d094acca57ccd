"""`DataLinks`: files of a control plane on another machine, through its signed links.

Whoever can reach the endpoint can move data; there is nothing else to configure.  Links are made by
`DataProxyService.CreateUploadLocation`, which every Flyte 2 backend has, and for reading by the
`DataService` of our own control plane.
"""

import base64
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyqwest
from flyteidl2.dataproxy import dataproxy_service_pb2
from google.protobuf.duration_pb2 import Duration

from flyte import errors, storage
from flyte._client import contents, downloads, transfer
from flyte._client.contents import BufferContent, FileContent
from flyte._client.control_plane import ControlPlane
from flyte._client.downloads import Download, FileLink

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SERVICE = "DataService"
_LINK_SECONDS = 3600
_MD5_UP_TO_BYTES = 16 * 1024 * 1024
"""Smaller contents are addressed by their MD5, so that equal ones meet; reading larger ones twice costs too much."""

_FILES_PER_PAGE = 5000


class DataLinks:
    """Moves files between this machine and the data of a control plane.

    Args:
        plane: the connected control plane.
        project: what is uploaded belongs to it.
        domain: likewise.
        org: likewise; None for the backend's own.
        direct: copy files without HTTP if the control plane's data directory is on this machine.

    Example:
        >>> links = DataLinks(plane, "weather", "development")
        >>> uri = await links.upload(Path("stations.csv"), "stations.csv")
        >>> await links.download(uri, Path("copy.csv"))
    """

    def __init__(
        self,
        plane: ControlPlane,
        project: str,
        domain: str,
        org: str | None = None,
        *,
        direct: bool = True,
    ) -> None:
        self._plane = plane
        self._project = project
        self._domain = domain
        self._org = org
        self._direct = direct

    async def is_here(self, uri: str) -> bool:
        """Whether an address is a path that this machine and the control plane have in common."""
        return self._direct and storage.is_local(uri) and await self._plane.shares_files()

    async def upload(
        self,
        source: "Path | Sequence[ReadableBuffer]",
        name: str,
        *,
        folder: str | None = None,
        reuse: bool = False,
    ) -> str:
        """Send a file, or buffers of this process, to the control plane.

        Args:
            source: a file of any size, or buffers that are sent one after the other.
            name: last part of the new address; it may have folders.
            folder: files with the same folder get addresses below a common one; None: a folder of
                its own.
            reuse: the name says the content, so what is there already is not sent again.

        Returns:
            The native address, which tasks can read.

        Raises:
            flyte.errors.StorageError: naming the address (without its signature) and the answer;
                `StorageFullError`, `StorageTimeoutError`, … say what to do.
        """
        content = FileContent(source) if isinstance(source, Path) else BufferContent(source)
        md5 = await contents.md5(content) if content.size <= _MD5_UP_TO_BYTES else b""
        # Backends ask for a checksum or a folder: the address has to come from somewhere.
        folder = folder or (None if md5 else secrets.token_hex(16))
        location = await self._location(name, folder, size=content.size, md5=md5)
        if reuse and await self._has(location.native_url, content.size):
            return location.native_url
        if await self.is_here(location.native_url):
            await _copied(source, location.native_url)
        else:
            headers = {"Content-MD5": base64.b64encode(md5).decode()} if md5 else {}
            headers |= location.headers
            await transfer.put(
                self._client(location.signed_url), location.signed_url, content, headers
            )
        return location.native_url

    async def download(self, uri: str, to: Path, *, expected: str | None = None) -> storage.Digest:
        """Bring a file here, all or nothing: several ranges at once, each resumed where the connection broke.

        Args:
            uri: native address of the file.
            to: where it goes; its folder is made on demand.
            expected: the checksum (xxh3, 32 hexadecimal digits) that it must have.

        Raises:
            flyte.errors.StorageNotFoundError: there is no such file.
            flyte.errors.DataCorruptionError: it has another checksum.
            flyte.errors.StorageError: anything else, by the class that says what to do.
        """
        if await self.is_here(uri):
            return await storage.download(uri, to, expected=expected)
        return await downloads.to_file(await self.found(uri), to, expected=expected)

    async def found(self, uri: str) -> Download:
        """A file of the control plane, ready to be brought here in whole or in part.

        Raises:
            flyte.errors.StorageNotFoundError: there is no such file.
        """
        link = await self._link(uri)
        return Download(self._client(link.signed_url), link, lambda: self._link(uri))

    async def read(self, uri: str, *, start: int = 0, size: int | None = None) -> bytes:
        """The content of a file, or a part of it.

        Args:
            start: offset of the first byte.
            size: bytes at most; None: up to the end.
        """
        if await self.is_here(uri) and start == 0 and size is None:
            return await storage.read(uri)
        download = await self.found(uri)
        there = download.link.size
        start = min(start, there)
        end = there if size is None else min(start + size, there)
        return bytes(await download.part(start, end))

    async def stat(self, uri: str) -> storage.Stat:
        """Size and etag of a file.

        Raises:
            flyte.errors.StorageNotFoundError: there is no such file.
        """
        link = await self._link(uri)
        return storage.Stat(link.size, link.etag)

    async def listing(self, prefix: str) -> list[storage.Entry]:
        """Every file below an address, sorted; a file is its own only entry, and nothing has none."""
        entries: list[storage.Entry] = []
        after = ""
        while True:
            request = {"prefix": prefix, "after": after, "limit": _FILES_PER_PAGE}
            try:
                with _refusals(prefix, self._plane.endpoint):
                    page = await self._plane.own(_SERVICE, "ListFiles", request)
            except errors.StorageNotFoundError:
                return entries
            entries += [storage.Entry(each["uri"], each["size"]) for each in page["files"]]
            after = page["next"]
            if not after:
                return entries

    async def _location(
        self, name: str, folder: str | None, *, size: int = 0, md5: bytes = b""
    ) -> dataproxy_service_pb2.CreateUploadLocationResponse:
        return await self._plane.dataproxy.create_upload_location(
            dataproxy_service_pb2.CreateUploadLocationRequest(
                project=self._project,
                domain=self._domain,
                org=self._org or "",
                filename=name,
                filename_root=folder or "",
                content_md5=md5,
                add_content_md5_metadata=bool(md5),
                content_length=size,
                expires_in=Duration(seconds=_LINK_SECONDS),
            )
        )

    async def _has(self, uri: str, size: int) -> bool:
        try:
            return (await self.stat(uri)).size == size
        except (errors.StorageNotFoundError, errors.StorageAccessError):
            return False  # or a backend that cannot be asked: then it is sent

    async def _link(self, uri: str) -> FileLink:
        request = {"uris": [uri], "expires_in": _LINK_SECONDS}
        with _refusals(uri, self._plane.endpoint):
            answer = await self._plane.own(_SERVICE, "CreateDownloadLinks", request)
        return FileLink(**answer["links"][0])

    def _client(self, url: str) -> pyqwest.Client:
        """Links of the control plane itself share its connections and what it trusts."""
        return pyqwest.Client(self._plane.transport_to(url))


async def _copied(source: "Path | Sequence[ReadableBuffer]", uri: str) -> None:
    if isinstance(source, Path):
        await storage.upload(source, uri)
    else:
        await storage.write(uri, source)


_REFUSALS: Mapping[str, type[errors.StorageError]] = {
    "not_found": errors.StorageNotFoundError,
    "permission_denied": errors.StorageAccessError,
    # What lies elsewhere than in the data of a project is not there for us.
    "invalid_argument": errors.StorageNotFoundError,
    "failed_precondition": errors.StorageNotFoundError,
    "unimplemented": errors.StorageAccessError,
}
"""By the code of the wire; others mean that the control plane could not be talked to."""


@contextmanager
def _refusals(uri: str, endpoint: str) -> Generator[None]:
    """Refusals of the service as errors of storage."""
    try:
        yield
    except errors.UnionRpcError as error:
        kind = _REFUSALS.get(error.code)
        if kind is None:
            raise
        if error.code == "unimplemented":
            raise kind(
                f"cannot read {uri}: the control plane at {endpoint} gives no links to its data; "
                "use storage that this machine reaches as well"
            ) from error
        raise kind(f"cannot read {uri}: {error}") from error
