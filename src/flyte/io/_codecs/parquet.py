"""Arrow tables as parquet files, and back with the same schema."""

import base64
import functools
import io
from collections.abc import Iterator
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import notes, probing

ROWS_PER_GROUP = 1 << 18
"""Fixed, so that equal tables give equal files, however they were put together."""
ROWS_PER_BATCH = 1 << 16

_FIX = "cast the column to another type, or store the table in the format 'arrow'"


def write(table: Any, file: Any) -> None:
    """Write a table; raises Mismatch for a column that parquet cannot hold.

    Args:
        table: an Arrow table.
        file: a path, or a binary file to write to.
    """
    _check(table.schema)
    table = notes.plain(table, keep_text=True)
    with _writer(file, table.schema) as writer:
        for group in notes.pieces(table, ROWS_PER_GROUP):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)


def read(file: Any, choose: notes.Choose) -> Any:
    """The table of a file.

    Args:
        file: a path, or a binary file that can seek: only what is needed of it is read.
        choose: which columns, out of the schema.
    """
    with _opened(file) as opened:
        columns = choose(opened.schema_arrow)
        table = opened.read(columns=columns)
        return _restored(table if columns is None else table.select(columns), opened)


def batches(file: Any, choose: notes.Choose) -> Iterator[Any]:
    """The table of a file in pieces of at most `ROWS_PER_BATCH` rows."""
    pa = notes.arrow()
    with _opened(file) as opened:
        columns = choose(opened.schema_arrow)
        for batch in opened.iter_batches(batch_size=ROWS_PER_BATCH, columns=columns):
            table = pa.Table.from_batches([batch])
            yield _restored(table if columns is None else table.select(columns), opened)


def _pq() -> Any:
    return optional.module("pyarrow.parquet", "parquet files")


def _writer(file: Any, schema: Any) -> Any:
    return _pq().ParquetWriter(
        file,
        schema,
        compression="snappy",
        use_dictionary=_repeating(schema),
        write_page_checksum=True,
    )


def _repeating(schema: Any) -> bool | list[str]:
    """Columns in which equal values are worth looking for; for fractions that takes longer than all the rest."""
    types = notes.arrow().types
    if any(types.is_nested(field.type) for field in schema):
        return True
    return [field.name for field in schema if not types.is_floating(field.type)]


def _opened(file: Any) -> Any:
    return _pq().ParquetFile(file, page_checksum_verification=True, pre_buffer=True)


def _restored(table: Any, opened: Any) -> Any:
    written = (opened.metadata.metadata or {}).get(b"ARROW:schema")
    if written is None or not notes.ours(opened.schema_arrow.metadata):
        return table
    ipc = optional.module("pyarrow.ipc", "parquet files")
    return notes.restored(
        table, ipc.read_schema(notes.arrow().py_buffer(base64.b64decode(written)))
    )


@functools.lru_cache(maxsize=256)
def _check(schema: Any) -> None:
    """Ask the format itself, with a table without rows."""
    probing.check(schema, _comes_back, "parquet", _FIX)


def _comes_back(schema: Any) -> Any:
    file = io.BytesIO()
    table = notes.plain(schema.empty_table(), keep_text=True)
    with _writer(file, table.schema) as writer:
        writer.write_table(table)
    file.seek(0)
    return read(file, notes.every).schema
