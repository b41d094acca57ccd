"""What a library of tables can do: write its frames in every format, and read them back."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import csv_text, ipc, notes, parquet
from flyte.io._codecs.sources import Source
from flyte.types._nodes.base import Mismatch

PARQUET = "parquet"
CSV = "csv"
ARROW = "arrow"
FORMATS = (PARQUET, CSV, ARROW)
_FILES: dict[str, Any] = {PARQUET: parquet, ARROW: ipc}


class Library(ABC):
    """Frames of one class: to files of each of `FORMATS`, and back."""

    is_lazy = False
    """Whether files are still read after `read` has returned."""

    @abstractmethod
    def frame_type(self) -> type:
        """The class; imports the library."""

    @abstractmethod
    def kinds(self, frame: Any) -> dict[str, type]:
        """Python's word for the values of each column, where there is one."""

    @abstractmethod
    def labels(self, frame: Any) -> list[Any]:
        """The columns of a frame."""

    @abstractmethod
    def to_table(self, frame: Any) -> Any:
        """A frame as an Arrow table; raises Mismatch."""

    @abstractmethod
    def to_frame(self, table: Any, columns: Sequence[str] | None, start: int = 0) -> Any:
        """The frame of an Arrow table, which begins at row `start` of the whole one."""

    @abstractmethod
    def to_html(self, frame: Any, rows: int) -> str:
        """The first rows for a report."""

    def index_fields(self, schema: Any) -> list[str]:
        """Columns that are read whichever others are asked for."""
        return []

    def check_text(self, frame: Any) -> None:
        """Raise Mismatch for a frame that CSV text cannot hold."""
        return

    @abstractmethod
    def foreign_csv(self, file: Any, columns: Sequence[str] | None) -> Any:
        """The frame of CSV text that nobody described."""

    @abstractmethod
    def joined(self, frames: Sequence[Any]) -> Any:
        """Several frames with the same columns as one."""

    # --- files

    def write(self, frame: Any, path: Any, format_name: str) -> bytes | None:
        """Write a frame; returns the schema that must travel beside the file, if its format has no room for it.

        Raises:
            Mismatch: at its column, for what would not come back.
        """
        if format_name == CSV:
            self.check_text(frame)
            return bytes(csv_text.write(self.to_table(frame), str(path)).serialize())
        _FILES[format_name].write(self.to_table(frame), str(path))
        return None

    def read(
        self,
        sources: Sequence[Source],
        columns: Sequence[str] | None,
        format_name: str,
        schema: bytes | None,
    ) -> Any:
        """The frame that files hold together.

        Args:
            sources: the files, in their order.
            columns: which columns, in this order; None: all.
            format_name: of all files.
            schema: what `write` returned.
        """
        if format_name == CSV and schema is None:
            return self.joined([self._foreign_csv(source, columns) for source in sources])
        tables: list[Any] = []
        for source in sources:
            with source.opened() as file:
                tables.append(self._table(file, columns, format_name, schema))
        return self.to_frame(joined_tables(tables), columns)

    def batches(
        self,
        sources: Sequence[Source],
        columns: Sequence[str] | None,
        format_name: str,
        schema: bytes | None,
    ) -> Iterator[Any]:
        """The same in pieces; one piece is in memory at a time."""
        start = 0
        for source in sources:
            with source.opened() as file:
                for table in self._tables(file, columns, format_name, schema):
                    yield self.to_frame(table, columns, start)
                    start += table.num_rows

    def _foreign_csv(self, source: Source, columns: Sequence[str] | None) -> Any:
        with source.opened() as file:
            return self.foreign_csv(file, there(columns, csv_text.names(file)))

    def _table(self, file: Any, columns: Any, format_name: str, schema: bytes | None) -> Any:
        if format_name == CSV:
            return csv_text.read(file, there(columns, csv_text.names(file)), _schema(schema))
        return _FILES[format_name].read(file, partial(self._chosen, columns))

    def _tables(
        self, file: Any, columns: Any, format_name: str, schema: bytes | None
    ) -> Iterator[Any]:
        if format_name == CSV:
            return csv_text.batches(file, there(columns, csv_text.names(file)), _schema(schema))
        return _FILES[format_name].batches(file, partial(self._chosen, columns))

    def _chosen(self, columns: Sequence[str] | None, schema: Any) -> list[str] | None:
        if columns is None:
            return None
        own = self.index_fields(schema)
        chosen = there(columns, [name for name in schema.names if name not in own]) or []
        return [*chosen, *(name for name in own if name not in chosen)]


def there(columns: Sequence[str] | None, names: Sequence[str]) -> list[str] | None:
    """The columns, each of which is among `names`; raises Mismatch for the first that is not."""
    if columns is None:
        return None
    missing = next((name for name in columns if name not in names), None)
    if missing is not None:
        raise absent(missing, names)
    return list(columns)


def absent(column: str, names: Sequence[Any]) -> Mismatch:
    """The error for a column that a table does not have."""
    listed = ", ".join(map(str, names)) or "none"
    return Mismatch(
        f"a column {column!r}",
        f"the columns {listed}",
        "correct the hint's columns, or add the column where the table is made",
    ).at(f"[{column!r}]")


def _schema(data: bytes | None) -> Any:
    if data is None:
        return None
    ipc_module = optional.module("pyarrow.ipc", "tables in this format")
    return ipc_module.read_schema(notes.arrow().py_buffer(data))


def joined_tables(tables: Sequence[Any]) -> Any:
    """Several Arrow tables as one; columns may have wider types in some of them."""
    if len(tables) == 1:
        return tables[0]
    return notes.arrow().concat_tables(tables, promote_options="permissive")
