"""pandas frames as Arrow tables, and back with the same dtypes, index and column labels.

The table has pandas' own metadata, so that every reader of such files finds the index; and a note of ours with what
that metadata does not say.  Tables without the note are somebody else's: they become frames as pandas makes them.
"""

import json
from collections.abc import Sequence
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import html_tables, notes, pandas_indexes, pandas_metadata
from flyte.io._codecs.pandas_dtypes import dumped, pandas, revived
from flyte.types._nodes.base import Mismatch, found

KEY = b"flyte.pandas"
"""Key of the note in a schema's metadata."""


def to_table(frame: Any) -> Any:
    """The Arrow table of a frame; raises Mismatch, at its column, for what would not come back."""
    pa = notes.arrow()
    fields = pandas_indexes.field_names(frame.columns)
    arrays: list[Any] = []
    forms: dict[str, Any] = {}
    for position, (field, label) in enumerate(zip(fields, frame.columns, strict=True)):
        try:
            array, forms[field] = dumped(frame.iloc[:, position])
        except Mismatch as mismatch:
            raise mismatch.at(f"[{label!r}]")  # noqa: B904 - the same error, with its place
        arrays.append(array)
    levels, index = pandas_indexes.dumped_rows(frame.index, fields)
    note = {
        "fields": fields,
        "forms": forms,
        "columns": pandas_indexes.dumped_labels(frame.columns),
        "index": index,
        "attrs": _attributes(frame.attrs),
        "unique": not frame.flags.allows_duplicate_labels,
    }
    names = [*fields, *levels]
    table = pa.table([*arrays, *levels.values()], names=names)
    metadata = {
        b"pandas": json.dumps(pandas_metadata.of(frame, table.schema, note)).encode(),
        KEY: json.dumps(note).encode(),
    }
    return table.replace_schema_metadata(metadata)


def index_fields(schema: Any) -> list[str]:
    """The columns of a table that hold the rows' labels."""
    metadata = schema.metadata or {}
    if KEY in metadata:
        return list(json.loads(metadata[KEY])["index"].get("fields", []))
    described = json.loads(metadata.get(b"pandas", b"{}")).get("index_columns", [])
    return [field for field in described if isinstance(field, str)]


def to_frame(table: Any, columns: Sequence[str] | None = None, *, start: int = 0) -> Any:
    """The frame of a table.

    Args:
        table: all of it, or some of its columns and rows.
        columns: which columns, in this order, if not all; those of the index are in the table, too.
        start: number of its first row, where the table is a piece of a larger one.
    """
    written = (table.schema.metadata or {}).get(KEY)
    if written is None:
        return _foreign(table)
    note = json.loads(written)
    pd = pandas()
    chosen = note["fields"] if columns is None else list(columns)
    positions = [note["fields"].index(field) for field in chosen]
    index = pandas_indexes.revived_rows(table, note["index"], start)
    data = {
        position: _series(revived(table.column(field), note["forms"][field]), index)
        for position, field in enumerate(chosen)
    }
    frame = pd.DataFrame(data, index=index, copy=False)
    frame.columns = pandas_indexes.revived_labels(note["columns"], note["fields"], positions)
    frame.attrs.update(note["attrs"])
    return frame.set_flags(allows_duplicate_labels=False) if note["unique"] else frame


def check_plain_index(frame: Any) -> None:
    """Raise Mismatch for a frame whose rows have labels: CSV text has columns only."""
    index = frame.index
    if type(index) is not pandas().RangeIndex or (index.start, index.step, index.name) != (
        0,
        1,
        None,
    ):
        raise Mismatch(
            "rows without labels of their own, as CSV text has no room for them",
            f"a {type(index).__name__}{'' if index.name is None else f' {index.name!r}'}",
            "make columns of them: frame.reset_index(), or store the table as parquet",
        ).at(".index")


def to_html(frame: Any, rows: int) -> str:
    """The first rows and the size of a frame."""
    return frame.head(rows).to_html(border=0) + html_tables.size(*frame.shape)


def _series(values: Any, index: Any) -> Any:
    dtype = object if values.dtype == object else None  # or else pandas makes text of objects
    return pandas().Series(values, index=index, dtype=dtype, copy=False)


def _attributes(attributes: dict[Any, Any]) -> dict[str, Any]:
    try:
        if json.loads(json.dumps(attributes)) == attributes:
            return attributes
    except (TypeError, ValueError):
        pass
    raise Mismatch(
        "attributes that JSON can hold",
        found(attributes),
        "clear them: frame.attrs = {}, or use text, numbers, lists and dictionaries in them",
    ).at(".attrs")


def _foreign(table: Any) -> Any:
    """A frame out of somebody else's table; whole numbers with missing ones among them stay whole."""
    frame = table.to_pandas()
    if b"pandas" in (table.schema.metadata or {}):
        return frame
    pa, pd = notes.arrow(), pandas()
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if column.null_count and (
            pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)
        ):
            name = "boolean" if pa.types.is_boolean(field.type) else _capital(str(field.type))
            frame.isetitem(position, pd.api.types.pandas_dtype(name).__from_arrow__(column))
    return frame


def _capital(name: str) -> str:
    """pandas' name of the dtype with missing values: `Int64`, `UInt8`."""
    return name.replace("uint", "UInt").replace("int", "Int") if name[0] != "u" else f"UI{name[2:]}"


def joined(frames: Sequence[Any]) -> Any:
    """Several frames as one, whose rows are numbered anew."""
    return frames[0] if len(frames) == 1 else pandas().concat(frames, ignore_index=True)


def read_csv(file: Any, columns: Sequence[str] | None) -> Any:
    """A frame out of somebody else's CSV text."""
    chosen = None if columns is None else list(columns)
    frame = optional.module("pandas", "pandas frames").read_csv(file, usecols=chosen)
    return frame if chosen is None else frame[chosen]
