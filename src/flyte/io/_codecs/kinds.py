"""What is in the columns of a table, in one word of Python each: `int`, `str`, `datetime`.

So that a hint such as `Annotated[DataFrame, {"age": int}]` can be checked; what no word describes is not checked.
"""

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import notes

_ARROW = {
    "is_boolean": bool,
    "is_integer": int,
    "is_floating": float,
    "is_string": str,
    "is_large_string": str,
    "is_string_view": str,
    "is_binary": bytes,
    "is_large_binary": bytes,
    "is_date": datetime.date,
    "is_time": datetime.time,
    "is_timestamp": datetime.datetime,
    "is_duration": datetime.timedelta,
    "is_decimal": decimal.Decimal,
}
"""pyarrow's questions about a type → Python's word for its values."""
_NUMPY = {
    "b": bool,
    "i": int,
    "u": int,
    "f": float,
    "U": str,
    "S": bytes,
    "M": datetime.datetime,
    "m": datetime.timedelta,
}
WORDS = frozenset({*_ARROW.values()})
"""What can be checked."""


def of_arrow(table: Any) -> dict[str, type]:
    """The words for an Arrow table's columns."""
    return {field.name: word for field in table.schema if (word := _of_arrow_type(field.type))}


def of_pandas(frame: Any) -> dict[str, type]:
    """The words for a pandas frame's columns with text labels."""
    words = {
        label: _of_dtype(dtype) for label, dtype in zip(frame.columns, frame.dtypes, strict=True)
    }
    return {label: word for label, word in words.items() if word and isinstance(label, str)}


def of_polars(frame: Any) -> dict[str, type]:
    """The words for a polars frame's columns."""
    words: dict[str, type] = {}
    pl = optional.module("polars", "polars frames")
    for name, dtype in frame.lazy().collect_schema().items():
        word = str if dtype in (pl.Categorical, pl.Enum) else _python_of(dtype)
        if word in WORDS:
            words[name] = word
    return words


def misfit(declared: Mapping[str, Any], found: Mapping[str, type]) -> tuple[str, type, type] | None:
    """The first column whose values are of another type than declared: its name, both types."""
    for name, hint in declared.items():
        if hint in WORDS and name in found and found[name] is not hint:
            return name, hint, found[name]
    return None


def _of_arrow_type(arrow_type: Any) -> type | None:
    types = notes.arrow().types
    if types.is_dictionary(arrow_type):
        return _of_arrow_type(arrow_type.value_type)
    return next(
        (word for question, word in _ARROW.items() if getattr(types, question)(arrow_type)), None
    )


def _of_dtype(dtype: Any) -> type | None:
    pd = optional.module("pandas", "pandas frames")
    if isinstance(dtype, pd.StringDtype):
        return str
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_dtype(dtype.categories.dtype)
    if isinstance(dtype, pd.ArrowDtype):
        return _of_arrow_type(dtype.pyarrow_dtype)
    return _NUMPY.get(getattr(dtype, "kind", ""))


def _python_of(dtype: Any) -> Any:
    try:
        return dtype.to_python()
    except (NotImplementedError, TypeError, AttributeError):
        return None
