"""`read`, `write`, `stat`, `walk`, `delete`: one address, one object.

Plain paths and `file://` are served in place, without suspending, so a blocking caller may step
these coroutines with `_kit.aio.drive`; every other scheme goes to an object store.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte.storage import _addresses, _local
from flyte.storage._config.kinds import Settings, combined
from flyte.storage._faults import explained
from flyte.storage._objects import clients, whole

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of an object without reading it.

    Args:
        size: bytes.
        etag: changes whenever the content does; None if the store has no such thing.
    """

    size: int
    etag: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An object that a walk has met: its address, and its size in bytes."""

    uri: str
    size: int


async def read(uri: str, *, settings: Settings = None) -> bytes:
    """The whole content of an object.

    Args:
        uri: a path, `file://…`, or an address of an object store such as `s3://bucket/key`.
        settings: of the object store; without them the environment's apply.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.

    Example:
        >>> await read("/data/r1/a0/inputs.pb")
    """
    path = _addresses.local_path(uri)
    with explained("read", uri):
        if path is not None:
            return _local.read(path)
        return await whole.read(clients.reading(uri, settings))


async def map(uri: str, *, settings: Settings = None) -> memoryview:  # noqa: A001
    """The whole content of an object, of a large local file without reading it.

    The view can be written to; that never changes the object.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.
    """
    path = _addresses.local_path(uri)
    with explained("read", uri):
        if path is not None:
            return _local.mapped(path)
        return memoryview(await whole.fetch(clients.reading(uri, settings)))


async def write(
    uri: str,
    data: "ReadableBuffer | Sequence[ReadableBuffer]",
    *,
    settings: Settings = None,
) -> None:
    """Replace an object by `data`, all or nothing; folders of a path are made on demand.

    Local files are not synced to disk one by one: what is written here can be made again by running
    the attempt again, and the control plane commits a success only after the process that wrote it
    has ended.

    Args:
        uri: a path, or an address of an object store.
        data: bytes or another buffer, or a list or tuple of them, which are written one after the
            other without being joined first.
        settings: of the object store; without them the environment's apply.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; what was there before stays.
    """
    pieces: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    path = _addresses.local_path(uri)
    with explained("write", uri):
        if path is not None:
            _local.write(path, pieces)
        else:
            await whole.write(clients.writing(uri, settings), pieces)


async def exists(path: str, *, settings: Settings = None, **kwargs: Any) -> bool:
    """Whether there is an object at the address, or a folder with something in it.

    Args:
        path: a path, or an address of an object store.
        settings: of the object store; without them the environment's apply.
        **kwargs: further words of the settings, for this call.

    Raises:
        flyte.errors.StorageError: when the store cannot be asked.
    """
    local = _addresses.local_path(path)
    with explained("look for", path):
        if local is not None:
            return local.exists()
        return await whole.exists(clients.writing(path, combined(settings, kwargs)))


async def stat(uri: str, *, settings: Settings = None) -> Stat:
    """Size and etag of an object.

    Raises:
        flyte.errors.StorageNotFoundError: there is none.
        flyte.errors.StorageError: the store cannot be asked.
    """
    path = _addresses.local_path(uri)
    with explained("look at", uri):
        if path is None:
            return Stat(*await whole.stat(clients.writing(uri, settings)))
        found = path.stat()
        return Stat(found.st_size, f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}")


async def walk(prefix: str, *, settings: Settings = None) -> AsyncGenerator[Entry, None]:
    """Every object below a folder, sorted by address; an object is its own only entry.

    Nothing if there is neither. Addresses begin like `prefix`. Files that are just being written are
    left out.

    Raises:
        flyte.errors.StorageError: when the store cannot be asked.

    Example:
        >>> [entry.uri async for entry in walk("s3://bucket/run")]
        ['s3://bucket/run/a0/1/outputs.pb', 's3://bucket/run/a0/inputs.pb']
    """
    path = _addresses.local_path(prefix)
    with explained("list", prefix):
        if path is not None:
            for found, size in _local.walk(path):
                yield Entry(_addresses.like(prefix, found), size)
            return
        entries = whole.walk(clients.writing(prefix, settings))
        async with contextlib.aclosing(entries):
            async for uri, size in entries:
                yield Entry(uri, size)


async def delete(uri: str, *, recursive: bool = False, settings: Settings = None) -> None:
    """Remove an object; one that is not there is none to remove.

    Args:
        uri: a path, or an address of an object store.
        recursive: also everything below the address.
        settings: of the object store; without them the environment's apply.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.
    """
    path = _addresses.local_path(uri)
    with explained("delete", uri):
        if path is not None:
            _local.delete(path, recursive=recursive)
        else:
            await whole.delete(clients.writing(uri, settings), recursive=recursive)
