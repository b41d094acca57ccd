"""Arrow tables as CSV text.  Text names no types: a schema travels beside it; without one they are guessed."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import notes
from flyte.types._nodes.base import Mismatch

_BLOCKS = (1 << 24, 1 << 28, (1 << 31) - 1)
"""Bytes that are parsed at a time; a row that is larger than one block needs the next size."""
_SIMPLE = (
    "is_integer",
    "is_float32",
    "is_float64",
    "is_boolean",
    "is_string",
    "is_large_string",
    "is_date",
    "is_time",
    "is_timestamp",
    "is_duration",
    "is_decimal128",
    "is_null",
)
"""Arrow's names of the questions whose types come back from text."""


def write(table: Any, file: Any) -> Any:
    """Write a table to a path or binary file.

    Returns:
        The schema to read it with.

    Raises:
        Mismatch: for a column that text cannot hold.
    """
    table = notes.plain(table, keep_text=False)
    _check(table.schema)
    spelled = _spelled(table.schema)
    with _csv().CSVWriter(file, spelled, write_options=_csv().WriteOptions()) as writer:
        writer.write_table(table.cast(spelled))
    return table.schema


def names(file: Any) -> list[str]:
    """The columns that a file has, by its first line; an open file is read from its start again afterwards."""
    if isinstance(file, Path):
        with file.open(encoding="utf-8-sig", newline="") as text:
            return next(csv.reader(text), [])
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return next(csv.reader(text), [])
    finally:
        text.detach().seek(0)


def read(file: Any, columns: Sequence[str] | None, schema: Any) -> Any:
    """The table of a file.

    Args:
        file: a path, or a binary file.
        columns: names of the columns to read; None: all.
        schema: what `write` returned; None: the types are guessed from the text.
    """
    arrow_csv = _csv()
    for block in _BLOCKS:
        try:
            table = arrow_csv.read_csv(
                file,
                read_options=arrow_csv.ReadOptions(block_size=block),
                parse_options=_parsing(),
                convert_options=_conversion(columns, schema),
            )
            return table if schema is None else notes.restored(table, schema)
        except notes.arrow().ArrowInvalid as error:
            if "straddling" not in str(error) or block == _BLOCKS[-1]:
                raise
            if hasattr(file, "seek"):
                file.seek(0)
    raise AssertionError("the last size returns or raises")


def batches(file: Any, columns: Sequence[str] | None, schema: Any) -> Iterator[Any]:
    """The table of a file in pieces of some megabytes."""
    arrow_csv, pa = _csv(), notes.arrow()
    with arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(block_size=_BLOCKS[0]),
        parse_options=_parsing(),
        convert_options=_conversion(columns, schema),
    ) as reader:
        for batch in reader:
            table = pa.Table.from_batches([batch])
            yield table if schema is None else notes.restored(table, schema)


def _csv() -> Any:
    return optional.module("pyarrow.csv", "CSV files")


def _parsing() -> Any:
    return _csv().ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


def _conversion(columns: Sequence[str] | None, schema: Any) -> Any:
    # Text in quotes is text, even if it is empty; nothing at all is a missing value.
    return _csv().ConvertOptions(
        include_columns=[] if columns is None else list(columns),
        column_types=None if schema is None else _spelled(schema),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        **({} if schema is None else {"true_values": ["true"], "false_values": ["false"]}),
    )


def _spelled(schema: Any) -> Any:
    """The schema in which text is written: moments in UTC, since text rounds the odd offsets of older times."""
    pa = notes.arrow()
    for position, field in enumerate(schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            in_utc = field.with_type(pa.timestamp(field.type.unit, "UTC"))
            schema = schema.set(position, in_utc)
    return schema


def _check(schema: Any) -> None:
    if repeated := next((name for name in schema.names if schema.names.count(name) > 1), None):
        raise Mismatch("columns with names of their own", "another of this name", "rename them").at(
            f"[{repeated!r}]"
        )
    types = notes.arrow().types
    for field in schema:
        if not any(getattr(types, question)(field.type) for question in _SIMPLE):
            raise Mismatch(
                "a column that CSV text can hold",
                f"the type {field.type}",
                "store the table as parquet, or convert the column to text or numbers",
            ).at(f"[{field.name!r}]")
    if not schema.names:
        raise Mismatch("at least one column", "a table without columns", "store it as parquet")
