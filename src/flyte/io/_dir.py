"""`Dir`: a tree of files in a store."""

import asyncio
import fnmatch
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import ConfigDict, model_validator

from flyte import errors, storage
from flyte.io import _blocking, _folders, _hashing, _place
from flyte.io._file import File
from flyte.io._origins import Origin
from flyte.io._reference import Reference, T

A = TypeVar("A")

EMPTY = "::flyte-empty-dir::"
"""What stands for the address of a directory without files, in every Flyte SDK."""


class Dir(Reference[T]):
    """A directory in a store: all files whose addresses begin with its own.

    Attributes:
        path: the address.
        name: how the directory is called; the last part of the address by default.
        format: what its files are, as one word; empty: not said.
        hash: identity of the content, made of the files' paths and checksums; it takes part in cache keys, and
            `download` verifies it.

    Example:
        >>> @env.task
        ... async def count(data: Dir) -> int:
        ...     return len([file async for file in data.walk()])
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, json_schema_extra={"x-flyte-type": "dir"}
    )

    KIND: ClassVar[str] = "dir"

    @classmethod
    def default_name(cls, path: str) -> str:
        """The last part of the address; nothing for a directory that has none."""
        return "" if path == EMPTY else super().default_name(path)

    # --- making

    @classmethod
    def new_remote(cls, dir_name: str | None = None, hash: str | None = None) -> Self:  # noqa: A002 - official
        """A directory to be filled, at an address that nobody else uses.

        Args:
            dir_name: last part of the address; a random one by default.
            hash: identity of what will be in it, for cache keys.

        Raises:
            ValueError: for a name that leads out of its folder.

        Example:
            >>> out = Dir.new_remote("pages")
            >>> async with File(path=f"{out.path}/1.txt").open("w") as page:
            ...     await page.write("one")
        """
        return cls.at(_place.new_address(dir_name), Origin.STORED, hash=hash)

    @classmethod
    def from_existing_remote(
        cls, remote_path: str | Path, dir_cache_key: str | None = None
    ) -> Self:
        """A directory that is there to stay: nothing is copied.

        Args:
            remote_path: its address.
            dir_cache_key: identity of its content for cache keys; without it the address is its identity.
        """
        return cls.at(_place.absolute(str(remote_path)), Origin.REFERRED, hash=dir_cache_key)

    @classmethod
    async def from_local(
        cls,
        local_path: str | Path,
        remote_destination: str | None = None,
        dir_cache_key: str | None = None,
        batch_size: int | None = None,
        chunk_size: int | None = None,
        max_concurrency: int | None = None,
    ) -> Self:
        """Copy a local folder into the store, with all that is in it.

        Links are followed.  What cannot be copied (a link that leads nowhere, a socket) is an error; empty folders
        are left out with a warning, because stores keep files only.  Inside a task, and where a control plane is
        configured, the copy is made at once; in other scripts when the directory is handed to a task.

        Args:
            local_path: the folder.
            remote_destination: the address of the copy; a new one by default.
            dir_cache_key: the hash, in place of the one that the SDK makes of the content.
            batch_size: how many files are copied at a time.
            chunk_size: bytes per request of a large file.
            max_concurrency: requests at a time for one file.

        Raises:
            NotADirectoryError: there is no such folder.
            flyte.errors.StorageError: something cannot be stored.
        """
        made = cls.pending(local_path, dir_cache_key)
        if remote_destination is not None or _place.stores_now():
            limits = {"chunk_size": chunk_size, "max_concurrency": max_concurrency}
            await _store(made, remote_destination, batch_size, limits)
        return made

    @classmethod
    def from_local_sync(
        cls,
        local_path: str | Path,
        remote_destination: str | None = None,
        dir_cache_key: str | None = None,
        batch_size: int | None = None,
        chunk_size: int | None = None,
        max_concurrency: int | None = None,
    ) -> Self:
        """`from_local` for code that cannot await."""
        given = local_path, remote_destination, dir_cache_key, batch_size
        return _blocking.wait(cls.from_local(*given, chunk_size, max_concurrency))

    @classmethod
    def pending(cls, local_path: str | Path, dir_cache_key: str | None = None) -> Self:
        """A local folder that is copied when it is handed to a task.

        Raises:
            NotADirectoryError: there is no such folder.
        """
        source = Path(local_path).expanduser().absolute()
        _check_is_folder(source, str(local_path))
        return cls.at(str(source), Origin.PENDING, hash=dir_cache_key)

    @classmethod
    def empty(cls) -> "Dir[T]":
        """A directory without files, which needs no place in any store."""
        return EmptyDir(path=EMPTY)

    @property
    def is_empty(self) -> bool:
        """Whether this is the directory without files (a filled one is not looked into)."""
        return self.path == EMPTY

    # --- looking

    async def walk(
        self, recursive: bool = True, max_depth: int | None = None
    ) -> AsyncIterator[File[T]]:
        """The files, sorted by address.

        Args:
            recursive: also those in folders below.
            max_depth: how many folders deep; 1 means the directory's own files.
        """
        depth = max_depth if recursive else 1
        async for relative, entry in self._entries():
            if depth is None or relative.count("/") < depth:
                yield self._file(entry.uri)

    def walk_sync(
        self, recursive: bool = True, file_pattern: str = "*", max_depth: int | None = None
    ) -> Iterator[File[T]]:
        """`walk` for code that cannot await; and only files whose name fits a pattern such as `*.csv`."""
        for file in _blocking.wait(_listed(self.walk(recursive, max_depth))):
            if fnmatch.fnmatchcase(file.shown_name, file_pattern):
                yield file

    async def list_files(self) -> list[File[T]]:
        """The directory's own files, without those in folders below."""
        return await _listed(self.walk(recursive=False))

    def list_files_sync(self) -> list[File[T]]:
        """`list_files` for code that cannot await."""
        return _blocking.wait(self.list_files())

    async def get_file(self, file_name: str) -> File[T] | None:
        """A file by its name, or by its path below the directory; None if there is none.

        Raises:
            ValueError: for a name that leads out of the directory.
        """
        if self.is_empty:
            return None
        file = self._file(storage.join(self.path, _place.inside(file_name)))
        return file if await file.exists() else None

    def get_file_sync(self, file_name: str) -> File[T] | None:
        """`get_file` for code that cannot await."""
        return _blocking.wait(self.get_file(file_name))

    async def exists(self) -> bool:
        """Whether there is a file in it, or at least the folder."""
        if self.is_empty:
            return True
        path = storage.local_path(self.path)
        if path is not None and path.is_dir():
            return True
        async for _ in self._entries():
            return True
        return False

    def exists_sync(self) -> bool:
        """`exists` for code that cannot await."""
        return _blocking.wait(self.exists())

    def _file(self, uri: str) -> File[T]:
        """A file of the directory; one of a folder that is still to be copied is still to be copied, too."""
        local = self._origin in (Origin.PENDING, Origin.NAMED)
        return File.at(uri, Origin.PENDING if local else self._origin)

    async def _entries(self) -> AsyncIterator[tuple[str, storage.Entry]]:
        """Path below the directory, and address, of every file."""
        if self.is_empty:
            return
        prefix = f"{self.path.rstrip('/')}/"
        async for entry in _place.walk(self.path):
            if entry.uri.startswith(prefix):
                yield entry.uri.removeprefix(prefix), entry

    # --- moving

    async def download(self, local_path: str | Path | None = None) -> str:
        """Copy all files to a local folder; each appears complete or not at all.

        Args:
            local_path: the folder, which may exist; by default a new one below the task's working directory.

        Returns:
            The path of the folder.

        Raises:
            flyte.errors.StorageNotFoundError: there is no such directory.
            flyte.errors.DataCorruptionError: the content is not what was written.
        """
        folder = _place.folder_target(local_path, self.shown_name)
        entries = [entry async for entry in self._entries()]
        if not entries and not await self.exists():
            raise errors.StorageNotFoundError(f"there is no directory {self.path}")
        folder.mkdir(parents=True, exist_ok=True)

        written: list[Path] = []

        async def fetch(found: tuple[str, storage.Entry]) -> tuple[str, str]:
            relative, entry = found
            digest = await _place.fetch(entry.uri, folder / relative)
            written.append(folder / relative)
            return relative, digest.xxh3

        try:
            self._verify(await _folders.together(fetch, entries))
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        return str(folder)

    def download_sync(self, local_path: str | Path | None = None) -> str:
        """`download` for code that cannot await."""
        return _blocking.wait(self.download(local_path))

    def _verify(self, files: list[tuple[str, str]]) -> None:
        found = _hashing.of_tree(files)
        if _hashing.ours(self.hash) and found != self.hash:
            raise errors.DataCorruptionError(
                f"the {len(files)} files of {self.path} have the hash {found}, but {self.hash} was written: one of "
                "them is incomplete, missing or has changed; make the directory again"
            )

    # --- travelling

    def must_settle(self) -> bool:
        """Whether it is a local folder that must be copied."""
        return not self.is_empty and super().must_settle()

    async def settle(self) -> None:
        """Copy a local folder into the store."""
        if self.must_settle():
            await _store(self)


class EmptyDir(Dir[T]):
    """A directory without files: what `Dir.empty()` gives; `EmptyDir()` needs no address."""

    @model_validator(mode="before")
    @classmethod
    def _of_nothing(cls, data: Any) -> Any:
        return {"path": EMPTY, **data} if isinstance(data, dict) else data


async def _store(
    folder: Dir[Any],
    destination: str | None = None,
    batch_size: int | None = None,
    limits: Mapping[str, int | None] | None = None,
) -> None:
    source = _place.local_source(folder.path)
    _check_is_folder(source, folder.path)
    found = await asyncio.to_thread(_folders.files, source)
    target = _folders.Target(_place.last_part(folder.path), destination)

    async def store(file: _folders.Found) -> tuple[str, str]:
        stored = await target.put(file, limits or {})
        return file.relative, _hashing.ours(stored.hash) or ""

    try:
        made = _hashing.of_tree(await _folders.together(store, found, batch_size))
    except BaseException:
        await target.discard()
        raise
    folder.moved(target.address if found else EMPTY, made)


def _check_is_folder(path: Path, named: str) -> None:
    if path.is_file():
        raise NotADirectoryError(f"{named} is a file; use File.from_local for it")
    if not path.is_dir():
        raise NotADirectoryError(f"there is no folder {named}; correct the path")


async def _listed(items: AsyncIterator[A]) -> list[A]:
    return [item async for item in items]
