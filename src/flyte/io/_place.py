"""Where data lies: addresses for new data, and the two ways to data that is there.

Inside a task, and in scripts without a control plane, data is read and written in its store directly.  A client of a
control plane sends new data through signed links, and reads through them what its own machine does not have: an
address such as `/home/flyte/data/…` is a path of the control plane's machine.
"""

import asyncio
import posixpath
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flyte import _session, errors, storage
from flyte._context import ctx
from flyte._ids import random_run_name
from flyte._kit import optional
from flyte.config import _read
from flyte.io import _blocking, _hashing
from flyte.io._opened.far import FarFile

if TYPE_CHECKING:
    from flyte._client.data import DataLinks

R = TypeVar("R")

_LOCAL = "local"
_UNNAMED = "data"


@dataclass(frozen=True, slots=True)
class Stored:
    """Data that was put into a store: its address, size in bytes and labelled checksum."""

    uri: str
    size: int
    hash: str


# --- addresses ------------------------------------------------------------------------------------


def new_address(name: str | None = None) -> str:
    """An address for new data that nobody else uses: in the running task's raw data, else in `$FLYTE_HOME/local`.

    Args:
        name: the last part of the address, which may have folders (`a/b.csv`).

    Raises:
        ValueError: for a name that leads out of its folder.
    """
    return storage.join(_base(), random_run_name(), *([inside(name)] if name else []))


def named_address(name: str) -> str:
    """The address of `name` among the running action's data: the same in every attempt.

    Raises:
        ValueError: for a name that leads out of its folder.
    """
    task = ctx()
    owner = [task.action.name] if task else []
    return storage.join(_base(), "named", *owner, inside(name))


def inside(name: str) -> str:
    """A relative path as it may follow an address.

    Raises:
        ValueError: for an absolute path, and for one that leads out of its folder.
    """
    if posixpath.isabs(name) or ".." in name.split("/") or name in ("", "."):
        raise ValueError(
            f"{name!r} is no name below a folder; use one like 'model.bin' or 'a/b.csv'"
        )
    if not _is_text(name):
        raise ValueError(f"the name {name!r} is no UTF-8, which stores need; rename the file")
    return posixpath.normpath(name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def absolute(address: str) -> str:
    """An address that means the same in every working directory; paths of home directories are written out."""
    return address if "://" in address else str(Path(address).expanduser().absolute())


def last_part(address: str) -> str:
    """The name at the end of an address."""
    return posixpath.basename(address.partition("://")[2].rstrip("/") or address.rstrip("/"))


def private_path(name: str) -> Path:
    """A new local path for a copy: below a task's working directory, which goes away with the attempt.

    Elsewhere the working directory is the user's own and stays clean: the path is below the run, or `$FLYTE_HOME`.
    """
    task = ctx()
    if task is None:
        folder = home_of_local()
    elif task.is_in_cluster():
        folder = Path.cwd()
    else:
        folder = storage.local_path(task.run_base_dir) or home_of_local()
    return folder / "downloads" / random_run_name() / name


def target(local_path: str | Path | None, name: str) -> Path:
    """Where a download goes: to `local_path`, into it if it is a folder, or to a private path."""
    if local_path is None:
        return private_path(name)
    path = Path(local_path).expanduser()
    into = path.is_dir() or str(local_path).endswith("/")
    return (path / name if into else path).absolute()


def folder_target(local_path: str | Path | None, name: str) -> Path:
    """Where the files of a directory go: to `local_path`, or to a private path."""
    if local_path is None:
        return private_path(name or "empty")
    return Path(local_path).expanduser().absolute()


def local_source(address: str) -> Path:
    """The local path of what shall be copied."""
    return (storage.local_path(address) or Path(address)).expanduser().absolute()


def _base() -> str:
    task = ctx()
    given = task.raw_data_path.path if task else ""
    return absolute(given) if given else str(home_of_local() / "files")


def home_of_local() -> Path:
    """The folder of what runs in this process and scripts have made."""
    return _read.flyte_home() / _LOCAL


# --- the control plane's data ---------------------------------------------------------------------


def settings() -> Any:
    """The session's storage settings; None: as the environment says."""
    return _session.current().storage


def reads_links() -> bool:
    """Whether there is a control plane to ask for what is not here (a task's own store is at hand)."""
    task = ctx()
    return _session.current().mode == "remote" and not (task and task.is_in_cluster())


def sends() -> bool:
    """Whether new data goes to a control plane at once: outside of tasks, where there is one."""
    return ctx() is None and reads_links()


def is_elsewhere(uri: str) -> bool:
    """Whether an address is a path of the control plane's machine, or an object of its own, to be read through its
    links."""
    path = storage.local_path(uri)
    if path is None:
        return storage.is_of_plane(uri) and reads_links()
    return not path.exists() and reads_links()


def check_writable(uri: str) -> None:
    """Refuse to write at a path of the control plane's machine: the file would appear on this one.

    Raises:
        flyte.errors.StorageAccessError: saying what to do instead.
    """
    path = storage.local_path(uri)
    if path is None or path.parent.exists() or path.is_relative_to(home_of_local()):
        return
    if sends() and not _session.current().embedded:
        raise errors.StorageAccessError(
            f"cannot write {uri}: it is no path of this machine, and the control plane's files are not changed by "
            "its clients; write a local file and send it with File.from_local"
        )


def stores_now() -> bool:
    """Whether there is a store for new data already: a task's, or a control plane's."""
    return ctx() is not None or sends()


async def linked(use: "Callable[[DataLinks], Awaitable[R]]") -> R:
    """Do something with the links of the session's control plane."""

    async def body() -> R:
        session = _session.current()
        plane = await session.control_plane()
        data = optional.module("flyte._client.data", needed_for="data of a control plane")
        return await use(data.DataLinks(plane, session.project, session.domain, session.org))

    return await _blocking.on_background(body())


# --- moving data ----------------------------------------------------------------------------------


async def store(
    source: Path,
    *,
    name: str | None = None,
    destination: str | None = None,
    folder: str | None = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
) -> Stored:
    """Copy a local file into the store.

    Args:
        source: the file.
        name: last part of its address; its own name by default.
        destination: the address itself; a new one by default.
        folder: files of one folder get a common prefix, if they go to a control plane.
        chunk_size: bytes per request of a large transfer.
        max_concurrency: requests at a time.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.
    """
    name = inside(name or source.name)
    if destination is None and sends():
        digest = await asyncio.to_thread(_hashing.checksum, source)
        uri = await linked(lambda links: links.upload(source, name, folder=folder))
        return Stored(uri, digest.size, _hashing.labelled(digest.xxh3))
    uri = destination or new_address(name)
    digest = await storage.upload(
        source,
        uri,
        settings=settings(),
        chunk_size=chunk_size,
        max_concurrency=max_concurrency,
    )
    return Stored(uri, digest.size, _hashing.labelled(digest.xxh3))


async def fetch(uri: str, to: Path, *, expected: str | None = None) -> storage.Digest:
    """Copy what is at an address to a local file, all or nothing.

    Args:
        expected: the checksum (32 hexadecimal digits) that it must have.

    Raises:
        flyte.errors.StorageNotFoundError: nothing is there.
        flyte.errors.DataCorruptionError: it has another checksum; nothing is left at `to`.
    """
    if is_elsewhere(uri):
        return await linked(lambda links: links.download(uri, to, expected=expected))
    return await storage.download(uri, to, settings=settings(), expected=expected)


async def stat(uri: str) -> storage.Stat:
    """Size and etag; raises `flyte.errors.StorageNotFoundError` when nothing is there."""
    if is_elsewhere(uri):
        return await linked(lambda links: links.stat(uri))
    return await storage.stat(uri, settings=settings())


async def walk(prefix: str) -> AsyncIterator[storage.Entry]:
    """Every file below an address, sorted."""
    if is_elsewhere(prefix):
        for entry in await linked(lambda links: _listed(links, prefix)):
            yield entry
        return
    async for entry in storage.walk(prefix, settings=settings()):
        yield entry


async def _listed(links: "DataLinks", prefix: str) -> list[storage.Entry]:
    try:
        return await links.listing(prefix)
    except errors.StorageNotFoundError:
        return []


@dataclass(slots=True)
class Draft:
    """A file that is being made for the store."""

    path: Path
    """Where to write it."""
    stored: Stored | None = None
    """What became of it, once the block has ended."""


@asynccontextmanager
async def new_file(name: str, *, destination: str | None = None) -> AsyncGenerator[Draft]:
    """Make a file and store it: written once, beside its place, if the store is on this machine.

    When the block raises, nothing remains.

    Example:
        >>> async with new_file("table.parquet") as draft:
        ...     frame.to_parquet(draft.path)
        >>> draft.stored.uri
    """
    uri = destination or (None if sends() else new_address(name))
    final = storage.local_path(uri) if uri else None
    if uri is None or final is None:
        with tempfile.TemporaryDirectory(prefix="flyte-") as folder:
            draft = Draft(Path(folder) / last_part(name))
            yield draft
            draft.stored = await store(draft.path, name=name, destination=uri)
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = Draft(final.with_name(f".{random_run_name()}.part"))
    try:
        yield draft
        digest = await asyncio.to_thread(_hashing.checksum, draft.path)
        draft.path.replace(final)
    finally:
        draft.path.unlink(missing_ok=True)
    draft.stored = Stored(uri, digest.size, _hashing.labelled(digest.xxh3))


@asynccontextmanager
async def reader(uri: str) -> AsyncGenerator[storage.Reader]:
    """`storage.reader` for a block, through links where the file is elsewhere: what is read is fetched, and no more."""
    if is_elsewhere(uri):
        download = await linked(lambda links: links.found(uri))
        opened = storage.Reader(uri, FarFile(download))
    else:
        opened = await storage.reader(uri, settings=settings())
    async with opened:
        yield opened


@contextmanager
def at_hand_sync(uri: str) -> Generator[str]:
    """An address that blocking code can read: itself, or that of a temporary copy."""
    if not is_elsewhere(uri):
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="flyte-") as folder:
        path = Path(folder) / (last_part(uri) or _UNNAMED)
        _blocking.wait(fetch(uri, path))
        yield str(path)


@asynccontextmanager
async def local_copy(uri: str, *, expected: str | None = None) -> AsyncGenerator[Path]:
    """A file with the content of an address, for libraries that need a path: itself if it is local, else a copy.

    The copy goes away with the block; nobody may write to the path.
    """
    path = storage.local_path(uri)
    if path is not None and not is_elsewhere(uri):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="flyte-") as folder:
        path = Path(folder) / (last_part(uri) or _UNNAMED)
        await fetch(uri, path, expected=expected)
        yield path
