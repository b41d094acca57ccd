"""Tables of every library come back from every format as they were, or are refused at their column."""

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes
from tests.frame_strategies import (
    PANDAS,
    PANDAS_TEXT,
    arrow_tables,
    assert_same_frame,
    assert_same_table,
    labelled_frames,
    pandas_frames,
)

from flyte.io._codecs import libraries
from flyte.io._codecs.library import ARROW, CSV, PARQUET
from flyte.io._codecs.sources import Source
from flyte.types._nodes.base import Mismatch

ITSELF = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
POLARS_TEXT = [
    pl.Int8,
    pl.Int64,
    pl.UInt64,
    pl.Float32,
    pl.Float64,
    pl.Boolean,
    pl.String,
    pl.Date,
    pl.Datetime("us"),
    pl.Duration("ms"),
]


def there_and_back(value: Any, format_name: str, path: Path) -> Any:
    library = libraries.of(type(value))
    assert library is not None
    schema = library.write(value, path, format_name)
    return library.read([stored(path)], None, format_name, schema)


def stored(path: Path) -> Source:
    return Source(str(path), path, lambda: path.open("rb"), lambda: path)


def refused(value: Any, format_name: str, path: Path) -> Mismatch:
    library = libraries.of(type(value))
    assert library is not None
    with pytest.raises(Mismatch) as caught:
        library.write(value, path, format_name)
    return caught.value


@pytest.mark.parametrize("format_name", [PARQUET, ARROW])
@ITSELF
@given(frame=pandas_frames(PANDAS) | labelled_frames())
def test_pandas_frames_come_back(frame: pd.DataFrame, format_name: str, tmp_path: Path) -> None:
    assert_same_frame(there_and_back(frame, format_name, tmp_path / "table"), frame)


@ITSELF
@given(frame=pandas_frames(PANDAS_TEXT))
def test_pandas_frames_come_back_from_text(frame: pd.DataFrame, tmp_path: Path) -> None:
    assert_same_frame(there_and_back(frame, CSV, tmp_path / "table"), frame)


@pytest.mark.parametrize("format_name", [PARQUET, ARROW])
@ITSELF
@given(table=arrow_tables())
def test_arrow_tables_come_back(table: pa.Table, format_name: str, tmp_path: Path) -> None:
    assert_same_table(there_and_back(table, format_name, tmp_path / "table"), table)


@ITSELF
@given(table=arrow_tables(text_only=True))
def test_arrow_tables_come_back_from_text(table: pa.Table, tmp_path: Path) -> None:
    assert_same_table(there_and_back(table, CSV, tmp_path / "table"), table)


@pytest.mark.parametrize("format_name", [PARQUET, ARROW])
@ITSELF
@given(frame=dataframes(max_cols=4, max_size=6, excluded_dtypes=[pl.Object], allow_null=True))
def test_polars_frames_come_back(frame: pl.DataFrame, format_name: str, tmp_path: Path) -> None:
    assume(not any(_is_hollow(dtype) for dtype in frame.dtypes))
    back = there_and_back(frame, format_name, tmp_path / "table")
    assert back.schema == frame.schema
    assert_frame_equal(back, frame, check_exact=True)


def _is_hollow(dtype: Any) -> bool:
    """Structs without fields and arrays without places, which no format holds."""
    if isinstance(dtype, pl.Struct):
        return not dtype.fields or any(_is_hollow(field.dtype) for field in dtype.fields)
    if isinstance(dtype, pl.Array) and dtype.size == 0:
        return True
    return isinstance(dtype, pl.List | pl.Array) and _is_hollow(dtype.inner)


@ITSELF
@given(
    frame=dataframes(
        min_cols=1, max_cols=4, max_size=6, allowed_dtypes=POLARS_TEXT, allow_null=True
    )
)
def test_polars_frames_come_back_from_text(frame: pl.DataFrame, tmp_path: Path) -> None:
    back = there_and_back(frame, CSV, tmp_path / "table")
    assert back.schema == frame.schema
    assert_frame_equal(back, frame, check_exact=True)


@ITSELF
@given(data=st.data())
def test_equal_tables_give_equal_files(data: st.DataObject, tmp_path: Path) -> None:
    table = data.draw(arrow_tables())
    cut = data.draw(st.integers(0, table.num_rows))
    there_and_back(table, PARQUET, tmp_path / "one")
    pieces = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    there_and_back(pieces, PARQUET, tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_equal_polars_frames_give_equal_files(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(300_000), "b": ["x", "y", None] * 100_000})
    pieces = pl.concat([frame[:1000], frame[1000:]], rechunk=False)
    for number, same in enumerate([frame, pieces, frame.lazy(), pieces.lazy()]):
        there_and_back(same, PARQUET, tmp_path / str(number))
    assert len({(tmp_path / str(number)).read_bytes() for number in range(4)}) == 1


MIXED = pd.Series([1, "x"], dtype=object)
LOST: dict[str, tuple[Any, str, str, str]] = {
    "mixed objects": (
        pd.DataFrame({"a": MIXED}),
        PARQUET,
        "['a']",
        "int 1 in row 0 and str 'x' in row 1",
    ),
    "mixed missing": (
        pd.DataFrame({"a": pd.Series([None, pd.NA, "x"], dtype=object)}),
        PARQUET,
        "['a']",
        "NA and None",
    ),
    "complex": (pd.DataFrame({"z": [1j]}), PARQUET, "['z']", "two columns"),
    "sparse": (pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}), PARQUET, "['s']", "to_dense"),
    "huge integers": (
        pd.DataFrame({"n": pd.Series([2**70], dtype=object)}),
        PARQUET,
        "['n']",
        "int",
    ),
    "tuples": (
        pd.DataFrame({"t": pd.Series([(1,)], dtype=object)}),
        PARQUET,
        "['t']",
        "tuple (1,)",
    ),
    "mixed labels": (
        pd.DataFrame([[1, 2]], columns=["a", 1]),
        PARQUET,
        ".columns",
        "str 'a' in row 0",
    ),
    "double labels": (pd.DataFrame([[1, 2]], columns=["a", "a"]), PARQUET, "['a']", "rename"),
    "mixed index": (
        pd.DataFrame({"a": [1, 2]}, index=MIXED),
        PARQUET,
        ".index",
        "str 'x' in row 1",
    ),
    "text index": (pd.DataFrame({"a": [1]}, index=["x"]), CSV, ".index", "reset_index"),
    "shifted range": (pd.DataFrame({"a": [1]}, index=range(1, 2)), CSV, ".index", "reset_index"),
    "lists in text": (pd.DataFrame({"a": [[1]]}), CSV, "['a']", "parquet"),
    "arrow in parquet": (
        pa.table({"m": pa.array([None], pa.month_day_nano_interval())}),
        PARQUET,
        "['m']",
        "arrow",
    ),
    "arrow in text": (pa.table({"b": [b"x"]}), CSV, "['b']", "parquet"),
    "arrow names": (pa.table([[1], [2]], names=["x", "x"]), PARQUET, "['x']", "rename"),
    "polars objects": (
        pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}),
        PARQUET,
        "['o']",
        "Object",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_what_would_not_come_back_is_refused_at_its_column(case: str, tmp_path: Path) -> None:
    value, format_name, path, says = LOST[case]
    mismatch = refused(value, format_name, tmp_path / "table")
    assert mismatch.path == path
    assert says in str(mismatch)
    assert mismatch.fix


def test_attributes_that_text_cannot_hold_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"when": (1, 2)}
    assert refused(frame, PARQUET, tmp_path / "table").path == ".attrs"
    frame.attrs = {"when": [1, 2]}
    assert_same_frame(there_and_back(frame, PARQUET, tmp_path / "table"), frame)


SPECIAL = {
    "empty": pd.DataFrame(),
    "rows only": pd.DataFrame(index=pd.RangeIndex(3)),
    "labels only": pd.DataFrame(index=["x", "y"]),
    "columns only": pd.DataFrame({"a": pd.Series([], dtype="Int64")}),
    "cut": pd.DataFrame({"a": pd.cut([1, 5, 9], 3)}),
    "no doubles": pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    "one name": pd.DataFrame({"a": [1, 2]}, index=pd.Index([1, 2], name="a")),
    "categories without rows": pd.DataFrame({"a": pd.Categorical([], categories=["q", "b"])}),
    "many categories": pd.DataFrame(
        {"a": pd.Categorical([f"{n:020}" for n in range(60_000)][::-1], ordered=True)}
    ),
}


@pytest.mark.parametrize("format_name", [PARQUET, ARROW])
@pytest.mark.parametrize("case", SPECIAL)
def test_special_pandas_frames_come_back(case: str, format_name: str, tmp_path: Path) -> None:
    assert_same_frame(there_and_back(SPECIAL[case], format_name, tmp_path / "table"), SPECIAL[case])


def test_changes_of_a_frame_that_was_read_are_allowed(tmp_path: Path) -> None:
    back = there_and_back(pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), ARROW, tmp_path / "table")
    back.loc[0, "a"] = 7
    back["b"] += 1
    assert back.to_dict("list") == {"a": [7, 2], "b": [1.5, 2.5]}


def test_large_text_cells_come_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["x" * 20_000_000, 'y\n,"z']})
    assert_same_frame(there_and_back(frame, CSV, tmp_path / "table"), frame)
