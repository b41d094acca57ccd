"""DataService: reading the data of runs from a machine that does not see the data directory.

Writing needs no words of its own: `DataProxyService.CreateUploadLocation` gives the links.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flyte_server.blobs import Link, LocalBlobs
from flyte_server.domain.errors import Conflict, Invalid, NotFound
from flyte_server.services import links
from flyte_server.services.links import Links
from flyte_server.services.objects.credentials import REGION, Credentials
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids

_MOST_LINKS = 1000
_MOST_FILES = 10_000
_HOUR_SECONDS = 3600


class DataService:
    """Links to files, lists of files, and whether the client is on this machine anyway.

    Args:
        witness: a file of ours that never changes, by which a client finds out whether it sees our files.
        credentials: for clients that read our files as objects.
    """

    name = "DataService"

    def __init__(
        self, blobs: LocalBlobs, links: Links, *, witness: Path, credentials: Credentials
    ) -> None:
        self._blobs = blobs
        self._links = links
        self._witness = witness
        self._credentials = credentials

    def methods(self) -> Mapping[str, Method]:
        return {
            "CreateDownloadLinks": self.create_download_links,
            "ListFiles": self.list_files,
            "ObjectCredentials": self.object_credentials,
            "Whereabouts": self.whereabouts,
        }

    async def create_download_links(self, request: Request) -> Payload:
        """`{uris: [..], expires_in?: seconds} -> {links: [{uri, signed_url, size, etag}]}`.

        Raises:
            NotFound: one of the files does not exist.
        """
        uris = request.texts("uris")
        if len(uris) > _MOST_LINKS:
            raise Invalid(
                f"{len(uris)} links are too many at once; ask for up to {_MOST_LINKS}, then again."
            )
        expires_at = self._links.expiry(request.number("expires_in", 0))
        found = await asyncio.gather(*(self._describe(uri) for uri in uris))
        headers = request.context.request_headers()
        return {
            "links": [
                {**described, "signed_url": self._links.url(Link("GET", path, expires_at), headers)}
                for path, described in found
            ]
        }

    async def list_files(self, request: Request) -> Payload:
        """`{prefix, after?, limit?} -> {files: [{uri, size}], next}`: all files below a directory, sorted.

        `after` is the `next` of the page before; an empty `next` says that this was the last one.
        """
        prefix, after = request.text("prefix").rstrip("/"), request.text("after", "")
        limit = min(max(request.number("limit", 1000), 1), _MOST_FILES)
        path = links.data_path(self._blobs, prefix)
        found = await self._blobs.list(path, after=after, limit=limit)
        files = [
            {"uri": f"{prefix}/{each.name}" if each.name else prefix, "size": each.size}
            for each in found
        ]
        _refuse_what_is_no_text(files)
        return {"files": files, "next": found[-1].name if len(found) == limit else ""}

    async def object_credentials(self, request: Request) -> Payload:
        """`{project, domain, seconds?} -> {endpoint, bucket, region, access_key_id, secret_access_key}`.

        For clients of S3, such as scripts with the official package: they read what runs of the project have made,
        for an hour or as long as asked for, twelve hours at most.
        """
        project = ids.name(request.text("project"), where="project")
        domain = ids.name(request.text("domain"), where="domain")
        seconds = request.number("seconds", _HOUR_SECONDS)
        made = self._credentials.of_project(
            project, domain, seconds=seconds, now_us=self._links.now_us()
        )
        return {
            "endpoint": self._links.base(request.context.request_headers()),
            "bucket": self._blobs.bucket.name,
            "region": REGION,
            "access_key_id": made.access_key,
            "secret_access_key": made.secret,
        }

    async def whereabouts(self, request: Request) -> Payload:
        """`{} -> {root, witness, mark}`: who sees the file `witness` with this `mark` sees the data below `root`."""
        status = self._witness.stat()
        return {
            "root": str(self._blobs.root),
            "witness": str(self._witness),
            "mark": f"{status.st_ino}-{status.st_mtime_ns}",
        }

    async def _describe(self, uri: str) -> tuple[str, dict[str, Any]]:
        path = links.data_path(self._blobs, uri)
        async with self._blobs.opened(self._blobs.confined(path)) as blob:
            if blob is None:
                raise NotFound(f"There is no file at {uri}; was the data directory cleaned?")
            return path, {"uri": uri, "size": blob.size, "etag": blob.etag}


def _refuse_what_is_no_text(files: Sequence[Mapping[str, Any]]) -> None:
    for file in files:
        try:
            file["uri"].encode()
        except UnicodeEncodeError:
            raise Conflict(
                f"The name of {file['uri']!r} is no UTF-8 text and cannot be sent; rename the file."
            ) from None
