"""Storing and reading tables, whoever asks: a literal of an output, `DataFrame.open`, or a user's own handler."""

import functools
import html
import typing
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from flyteidl2.core import literals_pb2, types_pb2

from flyte import storage
from flyte.io import _place
from flyte.io._codecs import kinds, libraries
from flyte.io._codecs.library import CSV, absent
from flyte.io._dir import Dir
from flyte.io._hashing import HashMethod
from flyte.io._tables import files
from flyte.io._tables.handlers import PARQUET, Registry, Table, canonical
from flyte.types import _engine
from flyte.types._nodes.base import Mismatch

SD = literals_pb2.StructuredDataset
Metadata = literals_pb2.StructuredDatasetMetadata
TableType = types_pb2.StructuredDatasetType

_SHOWN_ROWS = 20
_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


@functools.cache
def registry() -> Registry:
    """The process's handlers."""
    return Registry()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a hint says about a table beyond its class: `Annotated[DataFrame, {"age": int}, "csv"]`."""

    columns: Mapping[str, Any] | None = None
    """Name → type of the values; None: all columns, whatever they are."""
    format: str = ""
    schema: Any = None
    """A pyarrow schema, which documents the columns."""
    hash_method: HashMethod | str | None = None
    """Makes the identity of a table for caching; or that identity itself."""

    @classmethod
    def of(cls, hint: Any) -> "Wanted":
        """What the metadata of an annotated hint says."""
        found: dict[str, Any] = {}
        for extra in getattr(hint, "__metadata__", ()):
            if isinstance(extra, str):
                found["format"] = extra
            elif isinstance(extra, Mapping):
                found["columns"] = dict(extra)
            elif isinstance(extra, HashMethod):
                found["hash_method"] = extra
            elif type(extra).__module__.startswith("pyarrow"):
                found["schema"] = extra
        return cls(**found)

    def table_type(self) -> TableType:
        """The wire's type."""
        return table_type(self.format, self.columns, self.schema)


def table_type(
    format_name: str | None, columns: Mapping[str, Any] | None, schema: Any = None
) -> TableType:
    """The wire's type of a table."""
    described = TableType(format=canonical(format_name))
    for name, hint in (columns or {}).items():
        described.columns.add(name=name, literal_type=_engine.literal_type(hint))
    if schema is not None:
        described.external_schema_type = files.ARROW_SCHEMA
        described.external_schema_bytes = bytes(schema.serialize())
    return described


# --- classes of frames ----------------------------------------------------------------------------


def is_frame_type(cls: Any) -> bool:
    """Whether somebody knows how to store frames of a class."""
    if not isinstance(cls, type):
        return False
    files.add_known(registry(), cls)
    return cls in registry().encoders or cls in registry().decoders


def class_of(hint: Any) -> Any:
    """The class behind an annotated hint."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint


# --- storing --------------------------------------------------------------------------------------


async def store(frame: Table, wanted: Wanted) -> SD:
    """Store the value of a `DataFrame`; its hash is set if the encoder or the user has one.

    Raises:
        Mismatch: for a column that is missing, of another type, or that the format cannot hold.
        flyte.errors.StorageError: it cannot be stored; nothing is left behind.
    """
    value = frame.val
    cls = type(value)
    if not is_frame_type(cls):
        raise Mismatch(
            "a data frame",
            f"{cls.__module__}.{cls.__qualname__}",
            "convert it to pandas, polars or pyarrow, or register a DataFrameEncoder for it",
        )
    _check_columns(value, wanted.columns)
    format_name = canonical(frame.format) or canonical(wanted.format)
    destination = frame.uri or (None if _place.sends() else _place.new_address("table"))
    protocol = registry().default_protocols.get(cls) or protocol_of(destination or "")
    try:
        encoder = registry().encoder(cls, protocol, format_name)
    except ValueError as error:
        raise Mismatch("a format that is known", format_name, str(error)) from error
    chosen = format_name or encoder.supported_format or registry().default_formats.get(cls, PARQUET)
    method = wanted.hash_method
    if method is not None:
        frame.hash = method if isinstance(method, str) else _hash(method, value)
    described = table_type(chosen, wanted.columns, wanted.schema)
    stored = await encoder.encode(frame, described)
    if not stored.metadata.HasField("structured_dataset_type"):
        stored.metadata.structured_dataset_type.CopyFrom(described)
    return stored


def _check_columns(value: Any, columns: Mapping[str, Any] | None) -> None:
    library = libraries.of(type(value))
    if not columns or library is None:
        return
    there = library.labels(value)
    for name in columns:
        if name not in there:
            raise absent(name, there)
    misfit = kinds.misfit(columns, library.kinds(value))
    if misfit is not None:
        name, expected, found = misfit
        raise Mismatch(
            f"a column of {expected.__name__}",
            f"a column of {found.__name__}",
            "convert the column with astype or cast, or change the hint's columns",
        ).at(f"[{name!r}]")


def _hash(method: HashMethod, value: Any) -> str:
    method.reset()
    method.update(value)
    return method.result()


def described(
    uri: str | None, format_name: str | None, wanted: Wanted, schema: bytes | None = None
) -> SD:
    """The wire's form of a table at an address."""
    stored = SD(uri=uri or "")
    known = canonical(format_name) or format_of(stored.uri)
    stored.metadata.structured_dataset_type.CopyFrom(
        table_type(known, wanted.columns, wanted.schema)
    )
    if schema is not None:
        stored.metadata.structured_dataset_type.external_schema_type = files.ARROW_SCHEMA
        stored.metadata.structured_dataset_type.external_schema_bytes = schema
    return stored


def schema_beside(stored: SD | None) -> bytes | None:
    """The schema that travels beside a file which cannot hold its own."""
    if stored is None:
        return None
    written = stored.metadata.structured_dataset_type
    beside = written.format == CSV and written.external_schema_type == files.ARROW_SCHEMA
    return written.external_schema_bytes if beside else None


async def copied(uri: str, known_hash: str | None) -> tuple[str, str | None]:
    """Copy a local table into the store: its new address, and its hash.

    Raises:
        FileNotFoundError: nothing is there.
        flyte.errors.StorageError: it cannot be stored.
    """
    path = storage.local_path(uri)
    if path is None or not path.is_dir():
        stored = await _place.store((path or Path(uri)).expanduser().absolute())
        return stored.uri, known_hash or stored.hash
    target = await Dir.from_local(path)
    await target.settle()
    return target.path, known_hash or target.hash


# --- reading --------------------------------------------------------------------------------------


async def load(stored: SD, cls: type, wanted: Wanted, expected: str | None = None) -> Any:
    """The frame of a stored table.

    Args:
        stored: where it is.
        cls: the class of frames to read it as.
        wanted: the columns that are asked for.
        expected: hash of the stored table.

    Raises:
        Mismatch: a column is missing, or of another type; nothing reads this format as this class.
        flyte.errors.StorageError: it cannot be read.
        flyte.errors.DataCorruptionError: it is not what was written.
    """
    decoder, metadata = _decoder(stored, cls, wanted)
    if isinstance(decoder, files.FileDecoder):
        frame = await decoder.load(stored, metadata, expected)
    else:
        frame = await decoder.decode(stored, metadata)
        if isinstance(frame, AsyncIterator):
            raise Mismatch(
                f"a whole {cls.__qualname__}",
                f"{type(decoder).__qualname__}, which reads in pieces",
                "use iter()",
            )
    _check_columns(frame, wanted.columns)
    return frame


async def pieces(stored: SD, cls: type, wanted: Wanted) -> AsyncIterator[Any]:
    """The frame of a stored table in pieces; raises as `load`."""
    decoder, metadata = _decoder(stored, cls, wanted)
    if isinstance(decoder, files.FileDecoder):
        found: Any = decoder.pieces(stored, metadata)
    else:
        found = await decoder.decode(stored, metadata)
    if not isinstance(found, AsyncIterator):
        yield found
        return
    async for piece in found:
        yield piece


def _decoder(stored: SD, cls: type, wanted: Wanted) -> tuple[Any, Metadata]:
    if not is_frame_type(cls):
        raise Mismatch(
            "a class of data frames",
            f"{getattr(cls, '__qualname__', cls)}",
            "register a DataFrameDecoder for it",
        )
    written = canonical(stored.metadata.structured_dataset_type.format) or format_of(stored.uri)
    try:
        decoder = registry().decoder(cls, protocol_of(stored.uri), written)
    except ValueError as error:
        raise Mismatch(
            f"a table for {cls.__qualname__}", f"the format {written!r}", str(error)
        ) from error
    metadata = Metadata(structured_dataset_type=table_type(written, wanted.columns, wanted.schema))
    return decoder, metadata


def format_of(uri: str) -> str:
    """The format that an address's ending names; empty: none."""
    return _SUFFIXES.get(PurePosixPath(urlsplit(uri).path).suffix.lower(), "")


def protocol_of(uri: str) -> str:
    return urlsplit(uri).scheme if "://" in uri else "file"


def to_html(value: Any) -> str:
    """The first rows of a frame for a report."""
    cls = type(value)
    renderer = registry().renderers.get(cls)
    if renderer is not None:
        return renderer.to_html(value)
    library = libraries.of(cls)
    if library is None:
        return html.escape(str(value))
    return library.to_html(value, _SHOWN_ROWS)
