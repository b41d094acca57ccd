"""`File`: one file in a store."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from flyte import errors, storage
from flyte.io import _blocking, _hashing, _place
from flyte.io._hashing import HashMethod
from flyte.io._opened import modes, streams, sync_streams
from flyte.io._origins import Origin
from flyte.io._reference import Reference, T


class File(Reference[T]):
    """A file in a store, named by its address: what tasks hand to each other instead of its content.

    `File[T]` says what is in it, for readers and for type checkers; nothing is checked.

    Attributes:
        path: the address: a path, `s3://…`, `gs://…`, ….
        name: how the file is called; the last part of the address by default.
        format: what is in it, as one word (`csv`); empty: not said.
        hash: identity of the content, which takes part in cache keys; the SDK fills it in for what it copies, and
            readers verify it.
        hash_method: makes the hash of what is written with `open`, in place of the SDK's checksum.

    Example:
        >>> @env.task
        ... async def count(data: File) -> File:
        ...     out = File.new_remote("counts.csv")
        ...     async with data.open() as lines, out.open("wb") as counts:
        ...         await counts.write(str(len(await lines.read())).encode())
        ...     return out
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, json_schema_extra={"x-flyte-type": "file"}
    )

    KIND: ClassVar[str] = "file"

    hash_method: SkipJsonSchema[HashMethod | None] = Field(default=None, exclude=True, repr=False)

    # --- making

    @classmethod
    def new_remote(
        cls, file_name: str | None = None, hash_method: HashMethod | str | None = None
    ) -> Self:
        """A file to be written, at an address that nobody else uses.

        Args:
            file_name: last part of the address; a random one by default.
            hash_method: makes the hash of what will be written; or the hash itself.

        Raises:
            ValueError: for a name that leads out of its folder.

        Example:
            >>> out = File.new_remote("model.bin")
            >>> async with out.open("wb") as file:
            ...     await file.write(weights)
        """
        return cls._to_be_written(_place.new_address(file_name), hash_method)

    @classmethod
    def named_remote(cls, name: str) -> Self:
        """A file to be written, at the same address in every attempt of the running action: a retry overwrites it.

        Raises:
            ValueError: for a name that leads out of its folder.
        """
        return cls._to_be_written(_place.named_address(name), None)

    @classmethod
    def from_existing_remote(
        cls, remote_path: str | Path, file_cache_key: str | None = None
    ) -> Self:
        """A file that is there to stay: nothing is copied.

        Args:
            remote_path: its address.
            file_cache_key: identity of its content for cache keys; without it the address is its identity.

        Example:
            >>> File.from_existing_remote("s3://bucket/weather.csv", file_cache_key="2026-01-31")
        """
        return cls.at(_place.absolute(str(remote_path)), Origin.REFERRED, hash=file_cache_key)

    @classmethod
    async def from_local(
        cls,
        local_path: str | Path,
        remote_destination: str | None = None,
        hash_method: HashMethod | str | None = None,
        chunk_size: int | None = None,
        max_concurrency: int | None = None,
    ) -> Self:
        """Copy a local file into the store.

        Inside a task, and where a control plane is configured, the copy is made at once; in other scripts when the
        file is handed to a task.

        Args:
            local_path: the file.
            remote_destination: the address of the copy, or of its folder (ends with `/`); a new address by default.
            hash_method: makes the hash of the content in place of the SDK's checksum; or the hash itself.
            chunk_size: bytes per request of a large transfer.
            max_concurrency: requests at a time.

        Raises:
            FileNotFoundError: there is no such file.
            flyte.errors.StorageError: it cannot be stored; nothing is left behind.

        Example:
            >>> run = flyte.run(train, data=await File.from_local("weather.csv"))
        """
        file = cls.pending(local_path, hash_method)
        if remote_destination is not None or _place.stores_now():
            await _store(file, remote_destination, chunk_size, max_concurrency)
        return file

    @classmethod
    def from_local_sync(
        cls,
        local_path: str | Path,
        remote_destination: str | None = None,
        hash_method: HashMethod | str | None = None,
        chunk_size: int | None = None,
        max_concurrency: int | None = None,
    ) -> Self:
        """`from_local` for code that cannot await."""
        given = local_path, remote_destination, hash_method, chunk_size, max_concurrency
        return _blocking.wait(cls.from_local(*given))

    @classmethod
    def pending(cls, local_path: str | Path, hash_method: HashMethod | str | None = None) -> Self:
        """A local file that is copied when it is handed to a task.

        Raises:
            FileNotFoundError: there is no such file.
            IsADirectoryError: it is a folder.
        """
        source = Path(local_path).expanduser().absolute()
        _check_is_file(source, str(local_path))
        return cls.at(str(source), Origin.PENDING, **_hash_fields(hash_method))

    @classmethod
    def _to_be_written(cls, address: str, hash_method: HashMethod | str | None) -> Self:
        return cls.at(address, Origin.STORED, **_hash_fields(hash_method))

    # --- reading and writing

    @asynccontextmanager
    async def open(
        self,
        mode: str = "rb",
        block_size: int | None = None,
        cache_type: str = "readahead",
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[Any]:
        """Open the file: `rb`, `wb`, and `r`, `w` for text.

        Content is streamed.  What is written appears when the block ends; when it raises, what was there before
        stays.  Content with a checksum is verified as it is read; the last `read` raises if it is another one.

        Args:
            mode: `rb`, `wb`, `r` or `w`.
            block_size: taken for compatibility; reading ahead adapts itself.
            cache_type: taken for compatibility.
            cache_options: taken for compatibility.
            compression: `gzip`, `bz2`, `xz`, or `infer` (by the suffix of the address).
            kwargs: `encoding`, `errors`, `newline` of text.

        Raises:
            flyte.errors.StorageNotFoundError: there is nothing to read.
            flyte.errors.DataCorruptionError: the content is not what was written.

        Example:
            >>> async with file.open("r", compression="infer") as lines:
            ...     async for line in lines:
            ...         print(line)
        """
        how = modes.opening(mode, self.path, compression, kwargs)
        if how.writes:
            async with self._writing(how) as writer:
                yield writer
            return
        async with _place.reader(self.path) as reader:
            source = streams.BytesReader(reader, self.path, _hashing.ours(self.hash))
            yield streams.reading(source, how)

    @asynccontextmanager
    async def _writing(self, how: modes.Opening) -> AsyncGenerator[streams.FileWriter]:
        _place.check_writable(self.path)
        raw = await storage.writer(self.path, settings=_place.settings())
        writer = streams.FileWriter(raw, how, self.hash_method)
        try:
            yield writer
            await writer.close()
        except BaseException:
            await writer.abort()
            raise
        self._written(writer.hash, writer.digest)

    @contextmanager
    def open_sync(
        self,
        mode: str = "rb",
        block_size: int | None = None,
        cache_type: str = "readahead",
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Generator[IO[Any]]:
        """`open` for code that cannot await: an ordinary file object.

        Example:
            >>> with file.open_sync("r", newline="") as text:
            ...     rows = list(csv.DictReader(text))
        """
        how = modes.opening(mode, self.path, compression, kwargs)
        if how.writes:
            _place.check_writable(self.path)
            raw = storage.sync_writer(self.path, settings=_place.settings())
            with sync_streams.writing(raw, how, self.hash_method) as file:
                yield file
            self._written(self.hash_method.result() if self.hash_method else None, raw.digest)
            return
        expected = _hashing.ours(self.hash)
        with _place.at_hand_sync(self.path) as address:
            raw = storage.sync_reader(address, settings=_place.settings())
            with sync_streams.reading(raw, how, address=self.path, expected=expected) as file:
                yield file

    def _written(self, made: str | None, digest: storage.Digest) -> None:
        """The hash is that of the new content; one that the user gave beforehand stays."""
        if made is not None or not self.hash or _hashing.ours(self.hash):
            self.hash = made or _hashing.labelled(digest.xxh3)

    async def download(self, local_path: str | Path | None = None) -> str:
        """Copy the file to a local path, all or nothing.

        Args:
            local_path: where to; into it if it is a folder (or ends with `/`); by default a new path below the
                task's working directory.

        Returns:
            The path of the copy.

        Raises:
            flyte.errors.StorageNotFoundError: there is no such file.
            flyte.errors.DataCorruptionError: the content is not what was written; no copy is left.
        """
        to = _place.target(local_path, self.shown_name)
        await _place.fetch(self.path, to, expected=_hashing.ours(self.hash))
        return str(to)

    def download_sync(self, local_path: str | Path | None = None) -> str:
        """`download` for code that cannot await."""
        return _blocking.wait(self.download(local_path))

    async def exists(self) -> bool:
        """Whether there is a file at the address."""
        try:
            await _place.stat(self.path)
        except errors.StorageNotFoundError:
            return False
        return True

    def exists_sync(self) -> bool:
        """`exists` for code that cannot await."""
        return _blocking.wait(self.exists())

    # --- travelling

    async def settle(self) -> None:
        """Copy a local file into the store."""
        if self.must_settle():
            await _store(self)


async def _store(
    file: File[Any],
    destination: str | None = None,
    chunk_size: int | None = None,
    max_concurrency: int | None = None,
) -> None:
    source = _place.local_source(file.path)
    _check_is_file(source, file.path)
    name = _place.last_part(file.path)
    if destination is not None:
        into = storage.join(destination, name) if destination.endswith("/") else destination
        destination = _place.absolute(into)
    stored, made = await asyncio.gather(
        _place.store(
            source,
            name=name,
            destination=destination,
            chunk_size=chunk_size,
            max_concurrency=max_concurrency,
        ),
        _made_by(file.hash_method, source),
    )
    file.hash = made or file.hash
    file.moved(stored.uri, stored.hash)


def _check_is_file(path: Path, named: str) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{named} is a folder; use Dir.from_local for it")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {named}; correct the path")


async def _made_by(method: HashMethod | None, source: Path) -> str | None:
    return await asyncio.to_thread(_hashing.by, method, source) if method else None


def _hash_fields(given: HashMethod | str | None) -> dict[str, Any]:
    return {"hash": given} if isinstance(given, str) else {"hash_method": given}
