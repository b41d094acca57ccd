"""polars frames, eager and lazy, as parquet and Arrow files: written and read by polars itself, without pyarrow."""

import functools
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import html_tables, notes
from flyte.types._nodes.base import Mismatch

ROWS_PER_GROUP = 1 << 18
"""Fixed, so that equal frames give equal files, however they were put together."""

_WORDS = {
    "parquet": ("sink_parquet", "scan_parquet", {"row_group_size": ROWS_PER_GROUP}),
    "arrow": ("sink_ipc", "scan_ipc", {}),
}
"""Format → polars' methods to write and to read it lazily, and how it is written."""
_READING = {
    "parquet": {"hive_partitioning": False, "glob": False},
    "arrow": {"hive_partitioning": False},
}


def polars() -> Any:
    """The package polars."""
    return optional.module("polars", "polars frames")


def write(frame: Any, path: Any, format_name: str) -> None:
    """Write a frame; a lazy one is computed on the way, in pieces.

    Raises:
        Mismatch: for a column that the format cannot hold.
    """
    lazy = frame.lazy()
    _check(tuple(lazy.collect_schema().items()), format_name)
    sink, _, options = _WORDS[format_name]
    getattr(lazy, sink)(path, **options)


def scan(paths: Sequence[Path], columns: Sequence[str] | None, format_name: str) -> Any:
    """A lazy frame over files, which must stay where they are."""
    method = getattr(polars(), _WORDS[format_name][1])
    lazy = method(list(paths), **_READING[format_name])
    return lazy if columns is None else lazy.select(columns)


def batches(lazy: Any) -> Iterator[Any]:
    """An eager frame per piece of a lazy one that `scan` made: one group of rows is in memory at a time."""
    rows = lazy.select(polars().len()).collect().item()
    for start in range(0, rows, ROWS_PER_GROUP):
        yield lazy.slice(start, ROWS_PER_GROUP).collect()


def to_table(frame: Any) -> Any:
    """The Arrow table of a frame, for formats that polars itself does not write exactly."""
    notes.arrow()  # polars needs it for this; when it is missing, our message says what to install
    eager = frame.lazy().collect()
    table, schema = eager.to_arrow(), eager.schema
    back = polars().from_arrow(table.schema.empty_table()).schema
    for name, dtype in schema.items():
        if back[name] != dtype:
            raise Mismatch(
                "a column that an Arrow table can hold", f"the type {dtype}", "store it as parquet"
            ).at(f"[{name!r}]")
    return table


def to_frame(table: Any) -> Any:
    """The eager frame of an Arrow table."""
    return polars().from_arrow(table)


def read_csv(file: Any, columns: Sequence[str] | None) -> Any:
    """An eager frame out of somebody else's CSV text."""
    chosen = None if columns is None else list(columns)
    frame = polars().read_csv(file, columns=chosen)
    return frame if chosen is None else frame.select(chosen)


def to_html(frame: Any, rows: int) -> str:
    """The first rows and the size of a frame; a lazy one is computed."""
    eager = frame.lazy().collect()
    types = [str(dtype) for dtype in eager.dtypes]
    return html_tables.of(eager.columns, types, eager.head(rows).iter_rows(), eager.height)


@functools.lru_cache(maxsize=256)
def _check(schema: tuple[tuple[str, Any], ...], format_name: str) -> None:
    """Ask the format itself, with a frame without rows."""
    if _holds(schema, format_name) is None:
        return
    for name, dtype in schema:
        reason = _holds(((name, dtype),), format_name)
        if reason is not None:
            raise Mismatch(
                f"a column that {format_name} can hold",
                f"the type {dtype}{reason}",
                "cast the column to another type, or pass the values outside of the table",
            ).at(f"[{name!r}]")


def _holds(schema: tuple[tuple[str, Any], ...], format_name: str) -> str | None:
    """Why a schema is not held; None if it is."""
    pl = polars()
    sink, scanned, options = _WORDS[format_name]
    file = io.BytesIO()
    try:
        getattr(pl.DataFrame(schema=dict(schema)).lazy(), sink)(file, **options)
        file.seek(0)
        back = getattr(pl, scanned)(file).collect_schema()
    except pl.exceptions.PolarsError as error:
        return f" ({str(error).strip().splitlines()[0]})"
    if back == pl.Schema(dict(schema)):
        return None
    return f", which would come back as {next(iter(back.values()), None)}"
