"""The known libraries: pandas, polars (eager and lazy), pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flyte.io._codecs import csv_text, html_tables, kinds, notes, pandas_frames, polars_frames
from flyte.io._codecs.library import CSV, Library, joined_tables, there
from flyte.io._codecs.sources import Source


class Pandas(Library):
    """`pandas.DataFrame`."""

    def frame_type(self) -> type:
        return pandas_frames.pandas().DataFrame

    def kinds(self, frame: Any) -> dict[str, type]:
        return kinds.of_pandas(frame)

    def labels(self, frame: Any) -> list[Any]:
        return list(frame.columns)

    def to_table(self, frame: Any) -> Any:
        return pandas_frames.to_table(frame)

    def to_frame(self, table: Any, columns: Sequence[str] | None, start: int = 0) -> Any:
        return pandas_frames.to_frame(table, columns, start=start)

    def to_html(self, frame: Any, rows: int) -> str:
        return pandas_frames.to_html(frame, rows)

    def index_fields(self, schema: Any) -> list[str]:
        return pandas_frames.index_fields(schema)

    def check_text(self, frame: Any) -> None:
        pandas_frames.check_plain_index(frame)

    def foreign_csv(self, file: Any, columns: Sequence[str] | None) -> Any:
        return pandas_frames.read_csv(file, columns)

    def joined(self, frames: Sequence[Any]) -> Any:
        return pandas_frames.joined(frames)


class Arrow(Library):
    """`pyarrow.Table`."""

    def frame_type(self) -> type:
        return notes.arrow().Table

    def kinds(self, frame: Any) -> dict[str, type]:
        return kinds.of_arrow(frame)

    def labels(self, frame: Any) -> list[Any]:
        return list(frame.schema.names)

    def to_table(self, frame: Any) -> Any:
        return frame

    def to_frame(self, table: Any, columns: Sequence[str] | None, start: int = 0) -> Any:
        return table

    def to_html(self, frame: Any, rows: int) -> str:
        types = [str(field.type) for field in frame.schema]
        head = zip(*(column.to_pylist() for column in frame.slice(0, rows).columns), strict=True)
        return html_tables.of(frame.schema.names, types, head, frame.num_rows)

    def foreign_csv(self, file: Any, columns: Sequence[str] | None) -> Any:
        return csv_text.read(file, columns, None)

    def joined(self, frames: Sequence[Any]) -> Any:
        return joined_tables(frames)


class Polars(Library):
    """`polars.DataFrame`."""

    def frame_type(self) -> type:
        return polars_frames.polars().DataFrame

    def kinds(self, frame: Any) -> dict[str, type]:
        return kinds.of_polars(frame)

    def labels(self, frame: Any) -> list[Any]:
        return frame.lazy().collect_schema().names()

    def to_table(self, frame: Any) -> Any:
        return polars_frames.to_table(frame)

    def to_frame(self, table: Any, columns: Sequence[str] | None, start: int = 0) -> Any:
        return polars_frames.to_frame(table)

    def to_html(self, frame: Any, rows: int) -> str:
        return polars_frames.to_html(frame, rows)

    def foreign_csv(self, file: Any, columns: Sequence[str] | None) -> Any:
        return polars_frames.read_csv(file, columns)

    def joined(self, frames: Sequence[Any]) -> Any:
        return polars_frames.polars().concat(frames)

    def write(self, frame: Any, path: Any, format_name: str) -> bytes | None:
        if format_name == CSV:
            return super().write(frame, path, format_name)
        polars_frames.write(frame, path, format_name)
        return None

    def read(
        self,
        sources: Sequence[Source],
        columns: Sequence[str] | None,
        format_name: str,
        schema: bytes | None,
    ) -> Any:
        if format_name == CSV:
            return super().read(sources, columns, format_name, schema)
        return self._scanned(sources, columns, format_name).collect()

    def batches(
        self,
        sources: Sequence[Source],
        columns: Sequence[str] | None,
        format_name: str,
        schema: bytes | None,
    ) -> Iterator[Any]:
        if format_name == CSV:
            return super().batches(sources, columns, format_name, schema)
        return polars_frames.batches(self._scanned(sources, columns, format_name))

    def _scanned(
        self, sources: Sequence[Source], columns: Sequence[str] | None, format_name: str
    ) -> Any:
        paths = [source.local() for source in sources]
        lazy = polars_frames.scan(paths, None, format_name)
        names = lazy.collect_schema().names()
        return lazy if columns is None else lazy.select(there(columns, names))


class LazyPolars(Polars):
    """`polars.LazyFrame`: computed while it is written, read when it is collected."""

    is_lazy = True

    def frame_type(self) -> type:
        return polars_frames.polars().LazyFrame

    def to_frame(self, table: Any, columns: Sequence[str] | None, start: int = 0) -> Any:
        return polars_frames.to_frame(table).lazy()

    def foreign_csv(self, file: Any, columns: Sequence[str] | None) -> Any:
        return super().foreign_csv(file, columns).lazy()

    def read(
        self,
        sources: Sequence[Source],
        columns: Sequence[str] | None,
        format_name: str,
        schema: bytes | None,
    ) -> Any:
        if format_name == CSV:
            return super().read(sources, columns, format_name, schema)
        return self._scanned(sources, columns, format_name)

    def batches(
        self,
        sources: Sequence[Source],
        columns: Sequence[str] | None,
        format_name: str,
        schema: bytes | None,
    ) -> Iterator[Any]:
        for frame in super().batches(sources, columns, format_name, schema):
            yield frame.lazy()


LIBRARIES: Mapping[tuple[str, str], Library] = {
    ("pandas", "DataFrame"): Pandas(),
    ("pyarrow", "Table"): Arrow(),
    ("polars", "DataFrame"): Polars(),
    ("polars", "LazyFrame"): LazyPolars(),
}
"""Package and name of a class → its library."""


def of(cls: type) -> Library | None:
    """The library of a class of frames; None for classes that are none.  Imports nothing that is not loaded."""
    library = LIBRARIES.get((cls.__module__.partition(".")[0], cls.__qualname__))
    return library if library is not None and library.frame_type() is cls else None
