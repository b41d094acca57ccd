"""Arrow tables as Arrow files (also called feather): every type, read without decoding."""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import notes

ROWS_PER_BATCH = 1 << 16


def write(table: Any, file: Any) -> None:
    """Write a table to a path or binary file."""
    table = table.unify_dictionaries()  # one for all pieces is what the file format can hold
    with _ipc().new_file(file, table.schema) as writer:
        for piece in notes.pieces(table, ROWS_PER_BATCH):
            writer.write_table(piece)
        if not table.num_rows:
            writer.write_batch(_empty_batch(table))  # or else the dictionaries are not written


def read(file: Any, choose: notes.Choose) -> Any:
    """The table of a file; a local one is mapped, so that only what is used is read."""
    with _opened(file, choose) as (reader, columns):
        table = reader.read_all()
        return table if columns is None else table.select(columns)


def batches(file: Any, choose: notes.Choose) -> Iterator[Any]:
    """The table of a file in the pieces in which it was written."""
    pa = notes.arrow()
    with _opened(file, choose) as (reader, columns):
        for number in range(reader.num_record_batches):
            table = pa.Table.from_batches([reader.get_batch(number)], reader.schema)
            yield table if columns is None else table.select(columns)


def _empty_batch(table: Any) -> Any:
    pa = notes.arrow()
    arrays = [
        column.chunk(0).slice(0, 0) if column.num_chunks else pa.array([], column.type)
        for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def _ipc() -> Any:
    return optional.module("pyarrow.ipc", "Arrow files")


@contextlib.contextmanager
def _opened(file: Any, choose: notes.Choose) -> Generator[tuple[Any, list[str] | None]]:
    pa, ipc = notes.arrow(), _ipc()
    source = pa.memory_map(str(file)) if isinstance(file, Path) else pa.PythonFile(file, mode="r")
    with source:
        whole = ipc.open_file(source)
        columns = choose(whole.schema)
        if columns is None:
            yield whole, None
            return
        chosen = sorted(whole.schema.get_field_index(name) for name in columns)
        options = ipc.IpcReadOptions(included_fields=chosen)
        yield ipc.open_file(source, options=options), columns
