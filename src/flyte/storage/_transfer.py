"""Files to addresses and back: streamed, so that memory stays flat whatever the size; checked on the way."""

import asyncio
import contextlib
import os
from pathlib import Path
from threading import Event

from flyte import errors
from flyte.storage import _addresses, _copying, _local
from flyte.storage._config.kinds import Settings
from flyte.storage._faults import explained, tried_twice
from flyte.storage._objects import clients, whole
from flyte.storage._objects.clients import Place
from flyte.storage._objects.parts import Upload
from flyte.storage.digests import Digest, Hasher


async def upload(
    local: Path,
    uri: str,
    *,
    settings: Settings = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
) -> Digest:
    """Copy a file of this machine to an address, all or nothing.

    Args:
        local: the file; it must not change meanwhile.
        uri: a path, or an address of an object store.
        settings: of the object store; without them the environment's apply.
        chunk_size: bytes of one part; stores want at least 5 MiB.
        max_concurrency: parts on their way together.

    Returns:
        The size of what was copied, and its checksum.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; nothing is left behind, and
            what was there before stays.

    Example:
        >>> await upload(Path("model.bin"), "s3://bucket/model.bin")
        Digest(size=1073741824, xxh3='56a557a14a043d1d7ab33ee08b792cc3')
    """
    with explained("upload", f"{local} to {uri}"):
        target = _addresses.local_path(uri)
        if target is not None:
            return await _copy(local, target, None)
        place = clients.writing(uri, settings)
        return await tried_twice(lambda: _send(local, place, chunk_size, max_concurrency))


async def download(
    uri: str,
    local: Path,
    *,
    settings: Settings = None,
    expected: str | None = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
) -> Digest:
    """Copy an object to a file of this machine, all or nothing.

    Args:
        uri: a path, or an address of an object store.
        local: the file; its folder is made on demand.
        settings: of the object store; without them the environment's apply.
        expected: the checksum (`digests`) that the content must have.
        chunk_size: bytes of one range.
        max_concurrency: ranges on their way together.

    Returns:
        The size of what was copied, and its checksum.

    Raises:
        flyte.errors.DataCorruptionError: the content is another than expected, also when it was
            fetched again.
        flyte.errors.StorageError: naming the address and the reason; nothing is left behind, and
            what was there before stays.
    """
    with explained("download", uri):
        source = _addresses.local_path(uri)
        if source is not None:
            return await _copy(source, local, expected)
        place = clients.reading(uri, settings)
        size = chunk_size or whole.CHUNK_SIZE
        concurrency = whole.concurrency(max_concurrency)
        return await tried_twice(lambda: _fetch(place, local, expected, size, concurrency))


async def _send(
    local: Path, place: Place, chunk_size: int | None, max_concurrency: int | None
) -> Digest:
    hasher = Hasher()
    with local.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        part = whole.part_size(size, chunk_size)
        if size <= part:
            content = await asyncio.to_thread(file.read)
            hasher.update(content)
            await whole.put(place, content)
            return hasher.digest()
        concurrency = whole.concurrency(max_concurrency)
        async with Upload(place, chunk_size=part, max_concurrency=concurrency) as sending:
            while piece := await asyncio.to_thread(file.read, part):
                hasher.update(piece)
                await sending.push(piece)
            if hasher.size != size:
                raise _changed(local)
    return hasher.digest()


async def _fetch(
    place: Place, local: Path, expected: str | None, chunk_size: int, concurrency: int
) -> Digest:
    source = await whole.opened(place, chunk_size)
    hasher = Hasher()
    pieces = whole.chunks(source, chunk_size=chunk_size, max_concurrency=concurrency)
    with _local.replacing(local) as file:
        _local.reserve(file, source.size)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                hasher.update(piece)
                await asyncio.to_thread(file.write, piece)
        _copying.check(place.uri, hasher.digest(), expected)
    return hasher.digest()


async def _copy(source: Path, target: Path, expected: str | None) -> Digest:
    """Copy between paths; small files at once, large ones on a thread."""
    if os.stat(source).st_size <= _copying.SMALL:  # noqa: PTH116 - a look is shorter than a thread
        return _copying.copy(source, target, expected=expected)
    stop = Event()
    copying = asyncio.ensure_future(
        asyncio.to_thread(_copying.copy, source, target, expected=expected, stop=stop)
    )
    try:
        return await asyncio.shield(copying)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({copying})
        raise


def _changed(local: Path) -> errors.StorageError:
    return errors.StorageError(
        f"{local} was changed while it was uploaded; try again when it rests"
    )
