"""The two kinds of stores behind `_store`: the file system, and object stores (obstore)."""

import contextlib
import os
import secrets
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from flyte._kit import optional

T = TypeVar("T")


class BackendError(Exception):
    """An object store refused; `missing` says whether it was because there is no such object."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


def local_path(uri: str) -> Path | None:
    """The path that an address means, or None for the address of an object store."""
    if "://" not in uri:
        return Path(uri)
    if uri.startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    return None


def replace(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there, so that no reader sees half of it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        try:
            temporary.write_bytes(data)
        except FileNotFoundError:
            # The folder is there already for all but the first file in it, so it is made only when
            # it is missed.
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
        os.replace(temporary, path)  # noqa: PTH105 - the same call, without building a Path
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


async def remote_read(uri: str, options: Mapping[str, str]) -> bytes:
    """Content of an object in a store; raises `BackendError`."""
    store, key = _locate(uri, options)
    answer = await _asked(_obstore().get_async(store, key))
    return bytes(await _asked(answer.bytes_async()))


async def remote_write(uri: str, data: bytes, options: Mapping[str, str]) -> None:
    """Put an object into a store; stores replace objects whole.  Raises `BackendError`."""
    store, key = _locate(uri, options)
    await _asked(_obstore().put_async(store, key, data))


async def remote_exists(uri: str, options: Mapping[str, str]) -> bool:
    """Whether a store has an object; raises `BackendError`."""
    store, key = _locate(uri, options)
    try:
        await _asked(_obstore().head_async(store, key))
    except BackendError as error:
        if error.missing:
            return False
        raise
    return True


def _obstore() -> Any:
    return optional.module("obstore", "reading and writing object stores")


def _exceptions() -> Any:
    return optional.module("obstore.exceptions", "reading and writing object stores")


async def _asked(answer: Awaitable[T]) -> T:
    exceptions = _exceptions()
    try:
        return await answer
    except exceptions.BaseError as error:
        missing = isinstance(error, exceptions.NotFoundError)
        raise BackendError(_first_lines(error), missing=missing) from error
    except FileNotFoundError as error:
        raise BackendError(_first_lines(error), missing=True) from error


def _first_lines(error: Exception) -> str:
    """The message without the dump of the library's own structures below it."""
    return str(error).partition("\n\nDebug source")[0]


def _locate(uri: str, options: Mapping[str, str]) -> tuple[Any, str]:
    """The store of an address and the key of the object in it."""
    parts = urlsplit(uri)
    base, key = f"{parts.scheme}://{parts.netloc}/", parts.path.lstrip("/")
    if parts.query:
        key = f"{key}?{parts.query}"
    try:
        return _store(base, tuple(sorted(options.items()))), key
    except _exceptions().BaseError as error:
        raise BackendError(_first_lines(error)) from error


@lru_cache(maxsize=32)
def _store(base: str, options: tuple[tuple[str, str], ...]) -> Any:
    """One client per bucket and settings, so that connections are used again."""
    stores = optional.module("obstore.store", "reading and writing object stores")
    plain_http = dict(options).get("endpoint", base).startswith("http://")
    client = {"allow_http": True} if plain_http else {}
    return stores.from_url(base, config=dict(options) or None, client_options=client or None)
