"""What a file must remember about an Arrow table beyond its columns: the dictionaries of dictionary columns.

Parquet keeps the dictionaries of short texts only, and no format keeps those of numbers or dates; so the categories
of a categorical column (their order, the unused ones) travel as a note in the schema's metadata.  Other readers see
ordinary columns.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flyte._kit import optional
from flyte.types._nodes.base import Mismatch

KEY = b"flyte.table"
"""Key in a schema's metadata; its presence says that we wrote the file."""
MAX_DICTIONARY_BYTES = 64 * 1024 * 1024


Choose = Callable[[Any], list[str] | None]
"""Says which columns to read, out of a file's schema; None: all."""


def every(schema: Any) -> None:
    """Chooses all columns."""
    return


def arrow() -> Any:
    """The package pyarrow."""
    return optional.module("pyarrow", "tables in this format")


def compute() -> Any:
    """Arrow's functions on columns."""
    return optional.module("pyarrow.compute", "tables in this format")


def packed(table: Any) -> str:
    """A small table as text: Arrow's stream format in base 64."""
    pa = arrow()
    sink = pa.BufferOutputStream()
    with optional.module("pyarrow.ipc", "tables in this format").new_stream(
        sink, table.schema
    ) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue()).decode()


def unpacked(text: str) -> Any:
    """The table that `packed` made a text of."""
    ipc = optional.module("pyarrow.ipc", "tables in this format")
    with ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_all()


def plain(table: Any, *, keep_text: bool) -> Any:
    """The table as a format can hold it: dictionary columns noted, and decoded unless their values are text.

    Args:
        table: what to write.
        keep_text: leave dictionaries of text encoded, because the format holds them (without their order).
    """
    pa = arrow()
    table = table.unify_dictionaries()
    dictionaries: dict[str, dict[str, Any]] = {}
    for position, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        column = table.column(position)
        dictionaries[field.name] = _note(field, column)
        if not (keep_text and _is_text(field.type.value_type)):
            decoded = field.with_type(field.type.value_type)
            table = table.set_column(position, decoded, _decoded(column, field.type.value_type))
    metadata = {**(table.schema.metadata or {}), KEY: json.dumps(dictionaries).encode()}
    return table.replace_schema_metadata(metadata)


def restored(table: Any, written: Any) -> Any:
    """The table that `plain` was given (or those columns of it that were read).

    Args:
        table: as a reader gave it.
        written: the schema that was written, with our note; columns of another type are cast back to it.
    """
    noted: dict[str, dict[str, Any]] = json.loads(written.metadata[KEY])
    for position, field in enumerate(table.schema):
        column = table.column(position)
        wanted = written.field(field.name)
        if field.name in noted:
            wanted, column = _encoded(wanted, column, noted[field.name])
        elif not field.type.equals(wanted.type, check_metadata=True):
            column = column.cast(wanted.type)
        table = table.set_column(position, wanted, column)
    metadata = {key: value for key, value in written.metadata.items() if key != KEY}
    return table.replace_schema_metadata(metadata or None)


def pieces(table: Any, rows: int) -> Iterator[Any]:
    """A table cut into pieces of `rows` rows, each in one chunk: how it was put together must not show in a file."""
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows).combine_chunks()


def ours(metadata: Mapping[bytes, bytes] | None) -> bool:
    """Whether metadata of a schema says that we wrote it."""
    return KEY in (metadata or {})


def _is_text(value_type: Any) -> bool:
    return value_type.equals(arrow().string())


def _note(field: Any, column: Any) -> dict[str, Any]:
    pa = arrow()
    values = (
        column.chunk(0).dictionary if column.num_chunks else pa.array([], field.type.value_type)
    )
    if values.nbytes > MAX_DICTIONARY_BYTES:
        raise Mismatch(
            f"categories of at most {MAX_DICTIONARY_BYTES:,} bytes in all",
            f"{len(values):,} categories of {values.nbytes:,} bytes",
            "store the column as plain text (pandas: astype('str')), or in the format 'arrow'",
        ).at(f"[{field.name!r}]")
    return {
        "index": str(field.type.index_type),
        "ordered": field.type.ordered,
        "values": packed(pa.table({"values": values})),
    }


def _decoded(column: Any, value_type: Any) -> Any:
    pa = arrow()
    chunks = [chunk.dictionary.take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, type=value_type)


def _encoded(field: Any, column: Any, note: Mapping[str, Any]) -> tuple[Any, Any]:
    pa = arrow()
    values = unpacked(note["values"]).column(0).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks else pa.array([], values.type)
    index_type = pa.type_for_alias(note["index"])
    dictionary_type = pa.dictionary(index_type, values.type, ordered=note["ordered"])
    chunks = [
        pa.DictionaryArray.from_arrays(
            _indices(chunk, values).cast(index_type), values, ordered=note["ordered"]
        )
        for chunk in column.chunks or [pa.array([], column.type)]
    ]
    return field.with_type(dictionary_type), pa.chunked_array(chunks, type=dictionary_type)


def _indices(chunk: Any, values: Any) -> Any:
    pa = arrow()
    if pa.types.is_dictionary(chunk.type):
        return _positions(chunk.dictionary, values).take(chunk.indices)
    return _positions(chunk, values)


def _positions(chunk: Any, values: Any) -> Any:
    """Where in `values` each value is; Arrow looks up storage values only, not those of extension types."""
    pa = arrow()
    storage, known = (getattr(array, "storage", array) for array in (chunk, values))
    if not pa.types.is_nested(known.type):
        return compute().index_in(storage.cast(known.type), value_set=known, skip_nulls=True)
    positions = {repr(value): i for i, value in enumerate(known.to_pylist())}  # such as intervals
    found = [None if value is None else positions[repr(value)] for value in storage.to_pylist()]
    return pa.array(found, pa.int32())
