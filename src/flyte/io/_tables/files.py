"""The SDK's own encoders and decoders: frames of known libraries as files in a store."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from flyteidl2.core import literals_pb2, types_pb2

from flyte import errors, storage
from flyte._kit import optional, stepping
from flyte.io import _blocking, _hashing, _place
from flyte.io._codecs import libraries
from flyte.io._codecs.library import FORMATS, PARQUET, Library
from flyte.io._codecs.sources import Source
from flyte.io._tables.handlers import DataFrameDecoder, DataFrameEncoder, Registry
from flyte.types._nodes.base import Mismatch

T = TypeVar("T")

ARROW_SCHEMA = "arrow"
"""`StructuredDatasetType.external_schema_type` of the schema of a file that cannot hold its own."""
_END: Any = object()
_RANGE_BYTES = 256 * 1024
"""What a small read fetches; codecs ask for whole columns, or for megabytes of text, by themselves."""


class FileEncoder(DataFrameEncoder[Any]):
    """Frames of one library as one file of one format."""

    def __init__(self, library: Library, format_name: str) -> None:
        super().__init__(library.frame_type(), supported_format=format_name)
        self._library = library

    async def encode(
        self, dataframe: Any, structured_dataset_type: types_pb2.StructuredDatasetType
    ) -> literals_pb2.StructuredDataset:
        name = f"table.{self.supported_format}"
        destination: str | None = dataframe.uri
        if destination and destination.endswith("/"):
            destination += name
        async with _place.new_file(name, destination=destination) as draft:
            write = partial(self._library.write, dataframe.val, draft.path, self.supported_format)
            schema = await in_thread(write)
        stored = draft.stored
        if stored is None:
            raise AssertionError("a file that was made is stored")
        dataframe.hash = dataframe.hash or stored.hash
        written = literals_pb2.StructuredDataset(uri=stored.uri)
        described = written.metadata.structured_dataset_type
        described.CopyFrom(structured_dataset_type)
        described.format = self.supported_format
        if schema is not None:
            described.external_schema_type = ARROW_SCHEMA
            described.external_schema_bytes = schema
        return written


class FileDecoder(DataFrameDecoder[Any]):
    """Frames of one library out of a file, or out of the files of a folder."""

    def __init__(self, library: Library, format_name: str) -> None:
        super().__init__(library.frame_type(), supported_format=format_name)
        self._library = library

    async def decode(
        self,
        flyte_value: literals_pb2.StructuredDataset,
        current_task_metadata: literals_pb2.StructuredDatasetMetadata,
    ) -> Any:
        return await self.load(flyte_value, current_task_metadata)

    async def load(
        self,
        value: literals_pb2.StructuredDataset,
        metadata: literals_pb2.StructuredDatasetMetadata,
        expected: str | None = None,
    ) -> Any:
        """The frame.

        Args:
            value: where it is.
            metadata: the columns that are asked for.
            expected: the file's checksum; it is looked at when the whole file is read.
        """
        columns, schema = _asked(value, metadata)
        whole = expected if columns is None else None
        async with _sources(value.uri, whole, keep=self._library.is_lazy) as sources:
            read = partial(self._library.read, sources, columns, self.supported_format, schema)
            return await in_thread(_telling(read, value.uri, self.supported_format))

    async def pieces(
        self,
        value: literals_pb2.StructuredDataset,
        metadata: literals_pb2.StructuredDatasetMetadata,
    ) -> AsyncIterator[Any]:
        """The frame in pieces, of which one is in memory at a time."""
        columns, schema = _asked(value, metadata)
        async with _sources(value.uri, None, keep=self._library.is_lazy) as sources:
            read = partial(self._library.batches, sources, columns, self.supported_format, schema)
            pieces: Iterator[Any] = _telling(read, value.uri, self.supported_format)()
            step = _telling(partial(next, pieces, _END), value.uri, self.supported_format)
            try:
                while (piece := await in_thread(step)) is not _END:
                    yield piece
            finally:
                if (close := getattr(pieces, "close", None)) is not None:
                    close()


def add_known(registry: Registry, cls: type) -> None:
    """Register the handlers of a class, if it is one of the known libraries'."""
    if cls in registry.default_formats or (library := libraries.of(cls)) is None:
        return
    registry.default_formats[cls] = PARQUET
    for format_name in FORMATS:
        for handler in (FileEncoder(library, format_name), FileDecoder(library, format_name)):
            handlers = registry.encoders if isinstance(handler, FileEncoder) else registry.decoders
            handlers.setdefault(cls, {}).setdefault("", {}).setdefault(format_name, handler)


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work beside the running event loop; where none runs, right here."""
    return await asyncio.to_thread(work) if stepping.may_wait() else work()


def _asked(
    value: literals_pb2.StructuredDataset, metadata: literals_pb2.StructuredDatasetMetadata
) -> tuple[list[str] | None, bytes | None]:
    columns = [column.name for column in metadata.structured_dataset_type.columns]
    written = value.metadata.structured_dataset_type
    schema = written.external_schema_bytes if written.external_schema_type == ARROW_SCHEMA else b""
    return columns or None, schema or None


@asynccontextmanager
async def _sources(uri: str, expected: str | None, *, keep: bool) -> AsyncGenerator[list[Source]]:
    """The files at an address.

    Args:
        uri: of a file, or of a folder of them.
        expected: the checksum of the only file, if its bytes must be the written ones.
        keep: copies are still read after the block (by a lazy frame).
    """
    checksum = _hashing.ours(expected)
    path = storage.local_path(uri)
    if path is not None and not _place.is_elsewhere(uri):
        if checksum is not None and not keep and path.is_file():
            await in_thread(partial(_verify, path, uri, checksum))
        yield [_local(file) for file in await in_thread(partial(_local_files, path, uri))]
        return
    files = [entry.uri async for entry in _place.walk(uri) if _is_data(entry.uri, uri)]
    if not files:
        raise errors.StorageNotFoundError(f"there is no table at {uri}; it was moved or deleted")
    with contextlib.ExitStack() as stack:
        folder = _place.private_path("table") if keep else _temporary(stack)
        copies = [
            folder / f"{number:05}-{_place.last_part(file)}" for number, file in enumerate(files)
        ]
        if checksum is not None or _place.is_elsewhere(uri):
            for file, copy in zip(files, copies, strict=True):
                await _place.fetch(file, copy, expected=checksum if len(files) == 1 else None)
            yield [_local(copy) for copy in copies]
        else:
            yield [_ranged(file, copy) for file, copy in zip(files, copies, strict=True)]


def _temporary(stack: contextlib.ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flyte-")))


def _local(path: Path) -> Source:
    return Source(str(path), path, partial(path.open, "rb"), lambda: path)


def _ranged(uri: str, copy: Path) -> Source:
    def download() -> Path:
        _blocking.wait(_place.fetch(uri, copy))
        return copy

    open_ranges = partial(
        storage.sync_reader, uri, settings=_place.settings(), buffer_size=_RANGE_BYTES
    )
    return Source(uri, None, open_ranges, download)


def _local_files(path: Path, uri: str) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file())
    files = [file for file in found if _is_data(str(file), str(path))]
    if not files:
        raise errors.StorageNotFoundError(f"there is no table at {uri}; it was moved or deleted")
    return files


def _is_data(file: str, folder: str) -> bool:
    """Whether a file of a folder is data; other writers put marks such as `_SUCCESS` beside it."""
    relative = file.removeprefix(folder).strip("/")
    return not any(part.startswith("_") for part in relative.split("/")) or file == folder


def _verify(path: Path, uri: str, expected: str) -> None:
    found = _hashing.checksum(path).xxh3
    if found != expected:
        raise errors.DataCorruptionError(
            f"the table at {uri} is not what was written: its checksum is {found}, expected {expected}"
        )


def _telling(work: Callable[[], T], uri: str, format_name: str) -> Callable[[], T]:
    """The same work; what libraries say about bytes that they cannot read becomes our error."""

    def told() -> T:
        try:
            return work()
        except (errors.BaseRuntimeError, Mismatch):
            raise
        except _complaints() as error:
            reason = str(error).strip().partition("\n")[0]
            raise errors.DataCorruptionError(
                f"the table at {uri} cannot be read as {format_name}: {reason}"
            ) from error

    return told


def _complaints() -> tuple[type[Exception], ...]:
    """The errors of the libraries that are loaded, for content that they cannot read."""
    found: list[type[Exception]] = []
    if optional.loaded("pyarrow"):
        found.append(optional.module("pyarrow", "tables").ArrowException)
        found.append(OSError)  # pyarrow's errors of parquet pages
    if optional.loaded("polars"):
        found.append(optional.module("polars.exceptions", "tables").PolarsError)
    return tuple(found)
