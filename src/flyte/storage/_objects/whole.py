"""Whole objects of a store: read in parallel ranges, written in parts that nobody sees before the last.

A request that breaks off is made again by obstore, where it stopped and only while the object is
still the same one (its etag is sent along). What is left here is to cut and to put together.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte import errors
from flyte.storage import _faults
from flyte.storage._objects import clients
from flyte.storage._objects.clients import Place
from flyte.storage._objects.parts import Upload

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CHUNK_SIZE = 8 * 1024 * 1024
"""Bytes of a range or part: long enough that a request's start does not count, short enough to be repeated."""


def concurrency(wanted: int | None) -> int:
    """Ranges or parts that are on their way together; more cores can look after more."""
    return wanted or min(32, max(8, 2 * (os.cpu_count() or 1)))


@dataclass(frozen=True, slots=True)
class Opened:
    """An object whose beginning was read: with it came what is known of the object."""

    place: Place
    size: int
    etag: str | None
    head: Any
    """The first bytes: all that was asked for, or less if the object is smaller."""


async def opened(place: Place, length: int) -> Opened:
    """Look at an object and read its first bytes in one request; raises what obstore raises."""
    library = clients.obstore()
    try:
        answer = await library.get_async(place.store, place.key, options={"range": (0, length)})
    except library.exceptions.GenericError:
        # An object without content has no range that could be asked for.
        meta = await library.head_async(place.store, place.key)
        if meta["size"]:
            raise
        return Opened(place, 0, meta["e_tag"], b"")
    meta = answer.meta
    return Opened(place, meta["size"], meta["e_tag"], await answer.bytes_async())


async def chunk(source: Opened, start: int, stop: int) -> Any:
    """A range of the object that was opened.

    Raises:
        flyte.errors.StorageError: another object has taken its place.
    """
    library = clients.obstore()
    try:
        answer = await library.get_async(
            source.place.store, source.place.key, options=range_of(source, start, stop)
        )
        return await answer.bytes_async()
    except library.exceptions.PreconditionError:
        raise replaced(source.place.uri) from None


def range_of(source: Opened, start: int, stop: int) -> dict[str, Any]:
    """Options of a request for a range of just this object."""
    options: dict[str, Any] = {"range": (start, stop)}
    if source.etag and not source.etag.startswith("W/"):
        options["if_match"] = source.etag
    return options


def replaced(uri: str) -> errors.StorageError:
    """The error when an object changes while it is read."""
    return errors.StorageError(
        f"cannot read {uri} to its end: it was replaced meanwhile; read it again"
    )


async def chunks(
    source: Opened, *, chunk_size: int, max_concurrency: int, start: int = 0, ramp: bool = False
) -> AsyncGenerator[Any, None]:
    """The object from `start` on, in order; the next ranges are on their way while one is looked at.

    Args:
        ramp: begin with one range at a time; for readers who may go on elsewhere.
    """
    if start < len(source.head):
        yield source.head[start:]
        start = len(source.head)
    starts = iter(range(start, source.size, chunk_size))
    ahead: deque[asyncio.Task[Any]] = deque()
    allowed = 1 if ramp else max_concurrency
    try:
        while True:
            while len(ahead) < allowed and (begin := next(starts, None)) is not None:
                stop = min(begin + chunk_size, source.size)
                ahead.append(asyncio.ensure_future(chunk(source, begin, stop)))
            if not ahead:
                return
            yield await ahead.popleft()
            allowed = min(2 * allowed, max_concurrency)
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def read(place: Place) -> bytes:
    """The whole content; raises what obstore raises."""
    return bytes(await fetch(place))


async def fetch(place: Place) -> bytearray:
    """The whole content as a buffer that can be written to."""
    source = await opened(place, CHUNK_SIZE)
    content, offset = bytearray(source.size), 0
    pieces = chunks(source, chunk_size=CHUNK_SIZE, max_concurrency=concurrency(None))
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            content[offset : offset + len(piece)] = memoryview(piece)
            offset += len(piece)
    return content


async def write(place: Place, pieces: "Sequence[ReadableBuffer]") -> None:
    """Replace an object by the pieces one after the other; raises what obstore raises."""
    views = [memoryview(piece).cast("B") for piece in pieces]
    await _faults.tried_twice(lambda: _write(place, views))


async def _write(place: Place, views: Sequence[memoryview]) -> None:
    size = sum(view.nbytes for view in views)
    if size <= CHUNK_SIZE:
        await put(place, b"".join(views))
        return
    upload = Upload(place, chunk_size=part_size(size, None), max_concurrency=concurrency(None))
    async with upload:
        for view in views:
            for start in range(0, view.nbytes, CHUNK_SIZE):
                await upload.push(view[start : start + CHUNK_SIZE])


async def put(place: Place, content: bytes) -> None:
    """Write a small object in one request."""
    await clients.obstore().put_async(
        place.store, place.key, content, attributes=place.attributes, use_multipart=False
    )


_MOST_PARTS = 10_000
_STEP = 1024 * 1024


def part_size(size: int | None, wanted: int | None) -> int:
    """Bytes of a part such that an object of this size has no more parts than stores accept."""
    least = -(-(size or 0) // (_MOST_PARTS - 1))
    # What is streamed tells no size: parts of twice the length leave room for 160 GB.
    usual = wanted or (CHUNK_SIZE if size is not None else 2 * CHUNK_SIZE)
    return max(usual, -(-least // _STEP) * _STEP)


async def exists(place: Place) -> bool:
    """Whether there is the object, or anything below it."""
    library = clients.obstore()
    try:
        if place.key and not place.uri.endswith("/"):
            await library.head_async(place.store, place.key)
            return True
    except FileNotFoundError:
        pass
    async for _ in library.list(place.store, place.key or None, chunk_size=1):
        return True
    return False


async def stat(place: Place) -> tuple[int, str | None]:
    """Size and etag."""
    library = clients.obstore()
    try:
        meta = await library.head_async(place.store, place.key)
    except FileNotFoundError:
        # The answer to HEAD has no room to say whether the object is missing or the whole bucket.
        meta = (await library.get_async(place.store, place.key)).meta
    return meta["size"], meta["e_tag"]


async def walk(place: Place) -> AsyncGenerator[tuple[str, int], None]:
    """Address and size of each object below the address, or of the one that is there itself."""
    library, found = clients.obstore(), False
    async for page in library.list(place.store, place.key or None):
        for meta in page:
            found = True
            yield clients.below(place, meta["path"]), meta["size"]
    if not found and place.key and not place.uri.endswith("/"):
        with contextlib.suppress(FileNotFoundError):
            size, _ = await stat(place)
            yield place.uri, size


async def delete(place: Place, *, recursive: bool) -> None:
    """Remove the object, and with `recursive` all below it; what is not there is no failure."""
    library = clients.obstore()
    keys = [place.key] if place.key and not place.uri.endswith("/") else []
    if recursive:
        async for page in library.list(place.store, place.key or None):
            keys += [meta["path"] for meta in page]
    if len(keys) > 1:
        await library.delete_async(place.store, keys[1:])
    with contextlib.suppress(FileNotFoundError):
        if keys:
            await library.delete_async(place.store, keys[0])
