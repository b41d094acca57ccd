"""Hypothesis strategies for small tables of pandas, polars and pyarrow, and what it means that two are the same."""

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

Strategy = st.SearchStrategy[Any]

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5),
    unique=True,
    min_size=1,
    max_size=4,
)
MOMENTS = st.datetimes(*map(datetime.datetime.fromisoformat, ("1800-01-01", "2200-01-01")))
SPANS = st.timedeltas(datetime.timedelta(days=-10_000), datetime.timedelta(days=10_000))
DAYS = st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31))
DECIMALS = st.decimals(-999, 999, places=2)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
BYTES = st.binary(max_size=5)


def lists(items: Strategy, rows: int, *, missing: Any = ...) -> Strategy:
    """Exactly `rows` items, some of them missing."""
    items = items if missing is ... else st.just(missing) | items
    return st.lists(items, min_size=rows, max_size=rows)


# --- pandas ---------------------------------------------------------------------------------------


def whole(bits: int, *, signed: bool = True) -> Strategy:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high)


def _numpy(dtype: str, items: Strategy) -> Callable[[int], Strategy]:
    return lambda rows: lists(items, rows).map(
        lambda values: pd.Series(np.array(values, dtype=dtype))
    )


def _extension(dtype: Any, items: Strategy) -> Callable[[int], Strategy]:
    return lambda rows: lists(items, rows, missing=None).map(
        lambda values: pd.Series(pd.array(values, dtype=dtype))
    )


def _objects(items: Strategy, missing: Any = None) -> Callable[[int], Strategy]:
    return lambda rows: lists(items, rows, missing=missing).map(
        lambda values: pd.Series(values, dtype=object)
    )


def _categories(values: Strategy, size: int = 4) -> Callable[[int], Strategy]:
    @st.composite
    def drawn(draw: st.DrawFn, rows: int) -> pd.Series:
        known = draw(st.lists(values, unique=True, min_size=1, max_size=size))
        codes = draw(st.lists(st.integers(-1, len(known) - 1), min_size=rows, max_size=rows))
        dtype = pd.CategoricalDtype(pd.Index(known), ordered=draw(st.booleans()))
        return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))

    return drawn


def _zoned(unit: str, zone: str) -> Callable[[int], Strategy]:
    return lambda rows: lists(MOMENTS, rows, missing=None).map(
        lambda values: pd.Series(pd.array(values, dtype=f"datetime64[{unit}, UTC]")).dt.tz_convert(
            zone
        )
    )


PANDAS_TEXT: dict[str, Callable[[int], Strategy]] = {
    "int64": _numpy("i8", whole(64)),
    "int8": _numpy("i1", whole(8)),
    "uint64": _numpy("u8", whole(64, signed=False)),
    "big-endian": _numpy(">i4", whole(32)),
    "float64": _numpy("f8", FLOATS),
    "float32": _numpy("f4", st.floats(width=32)),
    "bool": _numpy("?", st.booleans()),
    "datetime64[s]": _numpy("M8[s]", MOMENTS | st.just("NaT")),
    "datetime64[ns]": _numpy("M8[ns]", MOMENTS | st.just("NaT")),
    "timedelta64[ms]": _numpy("m8[ms]", SPANS | st.just("NaT")),
    "Int32": _extension("Int32", whole(32)),
    "UInt8": _extension("UInt8", whole(8, signed=False)),
    "Float64": _extension("Float64", st.floats(allow_nan=False)),
    "boolean": _extension("boolean", st.booleans()),
    "str": _extension("str", TEXT),
    "str in objects": _extension(pd.StringDtype("python", na_value=np.nan), TEXT),
    "string": _extension("string", TEXT),
    "string[python]": _extension("string[python]", TEXT),
    "zoned": _zoned("us", "Europe/Berlin"),
    "UTC": _zoned("ns", "UTC"),
    "categories": _categories(TEXT),
    "numbered categories": _categories(whole(64)),
    "Arrow int": _extension(pd.ArrowDtype(pa.int16()), whole(16)),
    "Arrow decimal": _extension(pd.ArrowDtype(pa.decimal128(10, 2)), DECIMALS),
    "texts": _objects(TEXT),
    "texts or nan": _objects(TEXT, missing=float("nan")),
    "whole numbers": _objects(whole(64)),
    "days": _objects(DAYS),
}
"""Columns that CSV text can hold."""

PANDAS: dict[str, Callable[[int], Strategy]] = {
    **PANDAS_TEXT,
    "float16": _numpy("f2", st.floats(width=16)),
    "period": lambda rows: lists(st.integers(-600, 600), rows).map(
        lambda values: pd.Series(pd.PeriodIndex.from_ordinals(values, freq="M"))
    ),
    "interval": lambda rows: lists(st.integers(0, 9), rows).map(
        lambda values: pd.Series(
            pd.arrays.IntervalArray.from_arrays(values, [v + 1 for v in values], closed="left")
        )
    ),
    "Arrow lists": _extension(pd.ArrowDtype(pa.list_(pa.int64())), st.lists(whole(64), max_size=2)),
    "bytes": _objects(BYTES),
    "decimals": _objects(DECIMALS),
    "flags": _objects(st.booleans()),
    "lists": _objects(st.lists(whole(64), max_size=2)),
    "moments": _objects(MOMENTS),
    "times": _objects(st.times()),
    "records": _objects(st.fixed_dictionaries({"x": whole(64), "y": st.lists(TEXT, max_size=2)})),
}
"""Name of a kind of column → strategy of a Series of so many rows."""


@st.composite
def pandas_frames(draw: st.DrawFn, kinds: dict[str, Callable[[int], Strategy]]) -> pd.DataFrame:
    """A frame whose rows are numbered."""
    rows = draw(st.integers(0, 5))
    names = draw(NAMES)
    chosen = [draw(st.sampled_from(sorted(kinds))) for _ in names]
    columns = {name: draw(kinds[kind](rows)) for name, kind in zip(names, chosen, strict=True)}
    return pd.DataFrame(columns, index=pd.RangeIndex(rows))


@st.composite
def labelled_frames(draw: st.DrawFn) -> pd.DataFrame:
    """A frame whose rows and columns have labels of every kind."""
    frame = draw(pandas_frames({"int64": PANDAS["int64"], "categories": PANDAS["categories"]}))
    return frame.set_axis(draw(_rows(len(frame))), axis=0).set_axis(draw(_labels(frame)), axis=1)


def _rows(count: int) -> Strategy:
    plain = st.tuples(st.integers(-9, 9), st.sampled_from([-2, 1, 3])).map(
        lambda chosen: pd.RangeIndex(chosen[0], chosen[0] + count * chosen[1], chosen[1], name="n")
    )
    rhythm = st.sampled_from(["D", "h", "MS"]).map(
        lambda freq: pd.date_range("2026-01-31", periods=count, freq=freq, name=None)
    )
    kinds = ["int64", "UInt8", "str", "texts", "datetime64[s]", "zoned", "categories", "period"]
    single = st.sampled_from(kinds).flatmap(
        lambda kind: PANDAS[kind](count).map(
            lambda values: pd.Index(values, name="key", dtype=values.dtype)
        )
    )
    several = st.tuples(PANDAS["str"](count), PANDAS["int64"](count)).map(
        lambda levels: pd.MultiIndex.from_arrays(levels, names=["text", None])
    )
    return st.one_of(plain, rhythm, single, several)


def _labels(frame: pd.DataFrame) -> Strategy:
    count = frame.shape[1]
    distinct = st.lists(whole(64), unique=True, min_size=count, max_size=count)
    return st.one_of(
        st.just(frame.columns),
        st.just(frame.columns.astype(object).rename("labels")),
        st.just(pd.RangeIndex(count)),
        distinct.map(lambda labels: pd.Index(labels, name="numbers")),
        distinct.map(
            lambda labels: pd.MultiIndex.from_arrays([labels, list(frame.columns)], names=[None, 1])
        ),
        st.just(pd.date_range("2026-01-01", periods=count, freq="D")),
    )


def assert_same_frame(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal in values and in types: dtypes, labels, objects."""
    assert type(found) is pd.DataFrame
    assert [str(dtype) for dtype in found.dtypes] == [str(dtype) for dtype in expected.dtypes]
    assert list(found.dtypes) == list(expected.dtypes)
    assert type(found.index) is type(expected.index)
    assert type(found.columns) is type(expected.columns)
    assert found.attrs == expected.attrs
    assert_frame_equal(
        found,
        expected,
        check_exact=True,
        check_index_type=True,
        check_column_type=True,
        check_freq=True,
        check_flags=True,
    )
    for position, dtype in enumerate(expected.dtypes):
        if isinstance(dtype, np.dtype) and dtype.hasobject:
            pairs = zip(found.iloc[:, position], expected.iloc[:, position], strict=True)
            assert all(type(left) is type(right) for left, right in pairs)


# --- pyarrow --------------------------------------------------------------------------------------

_ARROW_TEXT: list[tuple[pa.DataType, Strategy]] = [
    (pa.int8(), whole(8)),
    (pa.int64(), whole(64)),
    (pa.uint64(), whole(64, signed=False)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), FLOATS),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.date32(), DAYS),
    (pa.date64(), st.dates(datetime.date(1700, 1, 1))),
    (pa.time32("s"), st.times().map(lambda time: time.replace(microsecond=0))),
    (pa.time64("us"), st.times()),
    (pa.timestamp("s"), MOMENTS.map(lambda moment: moment.replace(microsecond=0))),
    (pa.timestamp("us"), MOMENTS),
    (
        pa.timestamp("ns", "Europe/Berlin"),
        MOMENTS.map(lambda moment: moment.replace(tzinfo=datetime.UTC)),
    ),
    (pa.duration("us"), SPANS),
    (pa.decimal128(10, 2), DECIMALS),
    (pa.null(), st.none()),
    (pa.dictionary(pa.int8(), pa.string()), TEXT),
    (pa.dictionary(pa.int32(), pa.int64(), ordered=True), whole(64)),
]
_ARROW: list[tuple[pa.DataType, Strategy]] = [
    *_ARROW_TEXT,
    (pa.float16(), st.floats(width=16).map(np.float16)),
    (pa.binary(), BYTES),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.string_view(), TEXT),
    (pa.decimal256(40, 3), DECIMALS.map(lambda value: value.quantize(decimal.Decimal("0.001")))),
    (pa.list_(pa.int64()), st.lists(whole(64) | st.none(), max_size=3)),
    (pa.large_list(pa.field("odd", pa.string())), st.lists(TEXT, max_size=3)),
    (pa.list_(pa.timestamp("s"), 2), st.lists(MOMENTS, min_size=2, max_size=2)),
    (
        pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"x": whole(64) | st.none(), "y": st.lists(TEXT, max_size=2)}),
    ),
    (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(TEXT, whole(64), max_size=2).map(lambda value: list(value.items())),
    ),
    (pa.uuid(), st.binary(min_size=16, max_size=16)),
]
METADATA = st.none() | st.dictionaries(TEXT, TEXT, min_size=1, max_size=2)


@st.composite
def arrow_tables(draw: st.DrawFn, *, text_only: bool = False) -> pa.Table:
    """A table, put together of one to three chunks."""
    rows = draw(st.integers(0, 6))
    kinds = _ARROW_TEXT if text_only else _ARROW
    fields: list[pa.Field] = []
    arrays: list[pa.ChunkedArray] = []
    for name in draw(NAMES):
        data_type, items = draw(st.sampled_from(kinds))
        nullable = data_type == pa.null() or draw(st.booleans())
        values = draw(lists(items, rows, missing=None) if nullable else lists(items, rows))
        array = _array(values, data_type)
        cut = draw(st.integers(0, rows))
        fields.append(pa.field(name, data_type, nullable=nullable, metadata=draw(METADATA)))
        arrays.append(pa.chunked_array([array.slice(0, cut), array.slice(cut)]))
    return pa.table(arrays, schema=pa.schema(fields, metadata=draw(METADATA)))


def _array(values: list[Any], data_type: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(data_type):
        storage = getattr(data_type, "storage_type", data_type)
        array = pa.array(values, storage)
        return array if storage is data_type else pa.ExtensionArray.from_storage(data_type, array)
    known = list(dict.fromkeys(value for value in values if value is not None))[::-1]
    codes = [None if value is None else known.index(value) for value in values]
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, data_type.index_type),
        pa.array([*known, *_unused(data_type, known)], data_type.value_type),
        ordered=data_type.ordered,
    )


def _unused(data_type: pa.DataType, known: list[Any]) -> list[Any]:
    extra = "never" if pa.types.is_string(data_type.value_type) else 4711
    return [extra] if extra not in known else []


def assert_same_table(found: pa.Table, expected: pa.Table) -> None:
    """Equal in values (NaN equals NaN), schema and metadata, dictionaries included."""
    assert found.schema.equals(expected.schema, check_metadata=True), (
        found.schema,
        expected.schema,
    )
    assert found.num_rows == expected.num_rows
    found, expected = found.unify_dictionaries(), expected.unify_dictionaries()
    for name in expected.schema.names:
        left, right = found.column(name), expected.column(name)
        assert repr(left.to_pylist()) == repr(right.to_pylist())
        if pa.types.is_dictionary(right.type) and right.num_chunks:
            assert left.chunk(0).dictionary.equals(right.chunk(0).dictionary)
