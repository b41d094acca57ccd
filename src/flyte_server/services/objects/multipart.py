"""Uploads in parts: each part is a file in a directory of the upload, until they are joined to an object.

The directories lie among those of workers, where retention removes what nobody has touched for a day.
"""

import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from pathlib import Path

from flyte_server.blobs import Announced, LocalBlobs
from flyte_server.blobs.reading import etag
from flyte_server.services.objects import errors
from flyte_server.services.objects.documents import Part

_TARGET = "target.json"
_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{5}")
MOST_PARTS = 10_000


class Uploads:
    """All uploads in parts.

    Args:
        folder: where their directories are made.
    """

    def __init__(self, folder: Path, blobs: LocalBlobs) -> None:
        self._folder = folder
        self._blobs = blobs

    async def create(self, key: str, access_key: str) -> str:
        """Begin one and return its id."""
        upload_id = secrets.token_hex(16)
        target = json.dumps([key, access_key])

        def make() -> None:
            folder = self._path(upload_id)
            folder.mkdir(parents=True)
            (folder / _TARGET).write_text(target, encoding="utf-8")

        await self._blobs.in_thread(make)
        return upload_id

    async def opened(self, upload_id: str, key: str, access_key: str) -> Path:
        """The directory of an upload that this caller has begun for this key.

        Raises:
            ObjectError: there is none.
        """
        folder = self._path(upload_id) if _ID.fullmatch(upload_id) else None
        target = await self._blobs.in_thread(lambda: _target(folder))
        if folder is None or target != [key, access_key]:
            raise errors.ObjectError(
                HTTPStatus.NOT_FOUND,
                "NoSuchUpload",
                f"There is no upload {upload_id!r} of {key!r} (any more); begin a new one.",
            )
        return folder

    async def put(
        self, folder: Path, number: int, chunks: AsyncIterator[bytes], announced: Announced
    ) -> str:
        """Store a part, in place of what was sent under its number before, and return its etag."""
        if not 0 < number <= MOST_PARTS:
            raise errors.invalid(f"partNumber is {number}; it must be from 1 to {MOST_PARTS}.")
        path = folder / f"{number:05d}"
        await self._blobs.receive(path, chunks, announced)
        return await self._blobs.in_thread(lambda: etag(path.stat()))

    async def parts(self, folder: Path) -> list[Part]:
        """What has arrived, in order."""
        return await self._blobs.in_thread(lambda: _parts(folder))

    async def complete(
        self, folder: Path, wanted: Sequence[Part], target: Path, *, only_new: bool
    ) -> None:
        """Make an object of parts.

        Raises:
            ObjectError: one of them has not arrived, or is another one.
            FileExistsError: there is an object, and `only_new` is set.
        """
        arrived = {part.number: part.etag for part in await self.parts(folder)}
        for part in wanted:
            if arrived.get(part.number, "").strip('"') != part.etag.strip('"'):
                raise errors.invalid(
                    f"Part {part.number} has not arrived, or was replaced by another; send it again.",
                    "InvalidPart",
                )
        files = [folder / f"{part.number:05d}" for part in wanted]
        await self._blobs.join(target, files, only_new=only_new)
        await self.abort(folder)

    async def abort(self, folder: Path) -> None:
        """Forget an upload."""
        await self._blobs.in_thread(lambda: shutil.rmtree(folder, ignore_errors=True))

    def _path(self, upload_id: str) -> Path:
        return self._folder / f"multipart-{upload_id}"


def _target(folder: Path | None) -> object:
    if folder is None:
        return None
    try:
        return json.loads((folder / _TARGET).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _parts(folder: Path) -> list[Part]:
    found: list[Part] = []
    for path in sorted(folder.iterdir()):
        if _NUMBER.fullmatch(path.name):
            status = path.stat()
            found.append(Part(int(path.name), etag(status), status.st_size, status.st_mtime))
    return found
