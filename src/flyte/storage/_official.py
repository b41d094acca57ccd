"""The functions that users of Flyte know: `get`, `put`, their streams, `open`, `exists_sync`.

They are made of the verbs of `_store` and `_transfer`. Their `**kwargs` are words of the settings for
one call, such as `region="eu-west-1"`.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from pathlib import Path
from typing import Any

from flyte import errors
from flyte._context import ctx
from flyte.config import _read
from flyte.storage import _addresses, _store, _transfer
from flyte.storage._config.kinds import Settings, combined
from flyte.storage._faults import explained
from flyte.storage._files import readers, writers
from flyte.storage._objects import clients

_FILES_AT_ONCE = 16


async def get(
    from_path: str,
    to_path: str | Path | None = None,
    recursive: bool = False,
    *,
    settings: Settings = None,
    **kwargs: Any,
) -> str:
    """Copy an object, or all below an address, to this machine.

    Args:
        from_path: a path, or an address of an object store.
        to_path: where to; None is a new place below `$FLYTE_HOME`. A folder gets the object under
            its own name.
        recursive: copy what lies below the address, and keep its folders.
        settings: of the object store; without them the environment's apply.
        **kwargs: words of the settings for this call.

    Returns:
        The path of the copy.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.
    """
    settings = combined(settings, kwargs)
    if recursive:
        target = Path(to_path) if to_path is not None else get_random_local_directory()
        await _all(_get_below(from_path, target, settings))
        return str(target)
    name = _addresses.name(from_path)
    target = Path(to_path) if to_path is not None else get_random_local_path(name)
    if to_path is not None and (target.is_dir() or str(to_path).endswith("/")):
        target = target / name
    await _transfer.download(from_path, target, settings=settings)
    return str(target)


async def put(
    from_path: str,
    to_path: str | None = None,
    recursive: bool = False,
    batch_size: int | None = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
    *,
    settings: Settings = None,
    **kwargs: Any,
) -> str:
    """Copy a file or a folder of this machine to an address.

    Args:
        from_path: the file or folder.
        to_path: where to; None is a new place: in a task among its data, else below `$FLYTE_HOME`.
            An address that ends with a slash gets the file under its own name.
        recursive: copy what lies in the folder, and keep its folders.
        batch_size: how many files at once.
        chunk_size: bytes of one part.
        max_concurrency: parts of one file on their way together.
        settings: of the object store; without them the environment's apply.
        **kwargs: words of the settings for this call.

    Returns:
        The address of the copy.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.
    """
    how = _How(combined(settings, kwargs), chunk_size, max_concurrency)
    source = Path(from_path)
    target = to_path or _new_address(source.name)
    if recursive:
        await _all(_put_below(source, target, how), batch_size or _FILES_AT_ONCE)
        return target
    if target.endswith("/") or _is_folder(target):
        target = _addresses.join(target, source.name)
    await how.upload(source, target)
    return target


async def get_stream(
    path: str, chunk_size: int = 10 * 1024 * 1024, *, settings: Settings = None, **kwargs: Any
) -> AsyncGenerator[bytes, None]:
    """The content of an object in pieces.

    Args:
        path: a path, or an address of an object store.
        chunk_size: bytes of each piece but the last.
        settings: of the object store; without them the environment's apply.
        **kwargs: words of the settings for this call.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.

    Example:
        >>> async for piece in get_stream("s3://bucket/video.mp4"):
        ...     player.feed(piece)
    """
    file = await readers.reader(path, settings=combined(settings, kwargs))
    async with file:
        while piece := await file.read(chunk_size):
            yield piece


async def put_stream(
    data_iterable: AsyncIterable[bytes] | Iterable[bytes] | bytes,
    *,
    name: str | None = None,
    to_path: str | None = None,
    size_hint: int | None = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
    settings: Settings = None,
    **kwargs: Any,
) -> str:
    """Write an object from pieces; it appears, whole, after the last of them.

    Args:
        data_iterable: the content: bytes, or what gives bytes in a `for` or `async for`.
        name: last part of a new address, if `to_path` is not given.
        to_path: where to; None is a new place: in a task among its data, else below `$FLYTE_HOME`.
        size_hint: how many bytes there will be, more or less; above 160 GB parts must be longer.
        chunk_size: bytes of one part.
        max_concurrency: parts on their way together.
        settings: of the object store; without them the environment's apply.
        **kwargs: words of the settings for this call.

    Returns:
        The address.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; nothing is left behind.
    """
    target = to_path or _new_address(name)
    file = await writers.writer(
        target,
        settings=combined(settings, kwargs),
        chunk_size=chunk_size,
        max_concurrency=max_concurrency,
        size_hint=size_hint,
    )
    async with file:
        if isinstance(data_iterable, bytes | bytearray | memoryview):
            await file.write(data_iterable)
        elif isinstance(data_iterable, AsyncIterable):
            async for piece in data_iterable:
                await file.write(piece)
        else:
            for piece in data_iterable:
                await file.write(piece)
    return target


async def open(  # noqa: A001 - an official name
    path: str, mode: str = "rb", *, settings: Settings = None, **kwargs: Any
) -> readers.Reader | writers.Writer:
    """Open an object in asynchronous code.

    Args:
        path: a path, or an address of an object store.
        mode: `"rb"` to read, `"wb"` to replace the object when the file is closed.
        settings: of the object store; without them the environment's apply.
        **kwargs: words of the settings for this call.

    Raises:
        ValueError: another mode; text is read by `decode()`, and objects cannot be appended to.
        flyte.errors.StorageError: naming the address and the reason.

    Example:
        >>> async with await open("s3://bucket/notes", "wb") as file:
        ...     await file.write(b"…")
    """
    settings = combined(settings, kwargs)
    if mode in {"rb", "r"}:
        return await readers.reader(path, settings=settings)
    if mode in {"wb", "w"}:
        return await writers.writer(path, settings=settings)
    raise ValueError(f"{path} cannot be opened with mode {mode!r}; use 'rb' or 'wb'")


def exists_sync(path: str, *, settings: Settings = None, **kwargs: Any) -> bool:
    """`exists` for blocking code."""
    local = _addresses.local_path(path)
    with explained("look for", path):
        if local is not None:
            return local.exists()
        place = clients.writing(path, combined(settings, kwargs))
        library = clients.obstore()
        if place.key and not path.endswith("/"):
            with contextlib.suppress(FileNotFoundError):
                library.head(place.store, place.key)
                return True
        return any(library.list(place.store, place.key or None, chunk_size=1))


def get_random_local_path(file_path_or_file_name: str | Path | None = None) -> Path:
    """A path below `$FLYTE_HOME` that nobody uses; its folder is made.

    Args:
        file_path_or_file_name: what its last part is to be; None is a random name.
    """
    folder = get_random_local_directory()
    given = str(file_path_or_file_name or "").rstrip("/")
    return folder / (given.rpartition("/")[2] or secrets.token_hex(8))


def get_random_local_directory() -> Path:
    """A new, empty folder below `$FLYTE_HOME`."""
    folder = _read.flyte_home() / "local" / "scratch" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    return folder


class _How:
    """What holds for each file of a `put`."""

    def __init__(self, settings: Settings, chunk_size: int | None, concurrency: int | None) -> None:
        self._settings = settings
        self._chunk_size = chunk_size
        self._concurrency = concurrency

    async def upload(self, source: Path, target: str) -> None:
        await _transfer.upload(
            source,
            target,
            settings=self._settings,
            chunk_size=self._chunk_size,
            max_concurrency=self._concurrency,
        )


async def _get_below(
    prefix: str, target: Path, settings: Settings
) -> AsyncGenerator[tuple[Any, ...], None]:
    base, found = prefix.rstrip("/"), False
    async for entry in _store.walk(prefix, settings=settings):
        found = True
        below = entry.uri.removeprefix(base).strip("/") or _addresses.name(prefix)
        yield _fetch, entry.uri, target / below, settings
    if not found:
        raise errors.StorageNotFoundError(
            f"cannot download {prefix}: there is nothing below it; check the address"
        )


async def _put_below(source: Path, target: str, how: _How) -> AsyncGenerator[tuple[Any, ...], None]:
    if not _is_folder(str(source)):
        raise errors.StorageNotFoundError(
            f"cannot upload {source}: it is no folder; check the path"
        )
    async for entry in _store.walk(str(source)):
        path = Path(entry.uri)
        yield how.upload, path, _addresses.join(target, path.relative_to(source).as_posix())


async def _fetch(uri: str, to: Path, settings: Settings) -> None:
    await _transfer.download(uri, to, settings=settings)


async def _all(calls: AsyncGenerator[tuple[Any, ...], None], at_once: int = _FILES_AT_ONCE) -> None:
    """Make the calls, some of them together; the first failure ends the others."""
    slots = asyncio.Semaphore(at_once)

    async def held(call: tuple[Any, ...]) -> None:
        function, *arguments = call
        try:
            await function(*arguments)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group, contextlib.aclosing(calls):
            async for call in calls:
                await slots.acquire()
                group.create_task(held(call))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _new_address(name: str | None) -> str:
    task = ctx()
    if task is None:
        return str(get_random_local_path(name))
    return _addresses.join(task.raw_data_path.path, secrets.token_hex(8), name or "data")


def _is_folder(uri: str) -> bool:
    path = _addresses.local_path(uri)
    return path is not None and path.is_dir()
