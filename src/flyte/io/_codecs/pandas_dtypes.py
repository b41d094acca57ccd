"""Columns of pandas frames as Arrow arrays, with what Arrow's type does not say.

`dumped` gives the array and a *form*: plain data from which `revived` makes the same dtype again.  What would come
back as something else is refused.
"""

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

from flyte._kit import optional
from flyte.io._codecs import notes
from flyte.types._nodes.base import Mismatch, found

Form = dict[str, Any]

_OBJECTS = (str, bytes, bool, int, float, decimal.Decimal, datetime.date, datetime.time)
"""Types that a column of objects may have; another one comes back as itself too, if Arrow has a type for it."""
_NESTED = (list, dict, datetime.datetime, datetime.timedelta)


def dumped(values: Any) -> tuple[Any, Form]:
    """The Arrow array of a Series or Index, and its form.

    Raises:
        Mismatch: for a dtype, or an object, that would not come back.
    """
    pd, dtype = pandas(), values.dtype
    if getattr(dtype, "hasobject", False):
        return _dumped_objects(values)
    if isinstance(dtype, pd.CategoricalDtype):
        return _dumped_categories(values)
    pa = notes.arrow()
    try:
        array = pa.array(_native(values), from_pandas=True)
        form = _form(dtype, array.type)
        if _dtype(form, array.type) == dtype:
            return array, form
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        pass
    raise Mismatch("a dtype that can be stored", f"{dtype}", _fix(dtype))


def revived(column: Any, form: Mapping[str, Any]) -> Any:
    """The pandas array (or numpy array) of an Arrow column.

    Args:
        column: a chunked array.
        form: what `dumped` gave.
    """
    np = optional.module("numpy", "pandas frames")
    if "numpy" in form:
        dtype = np.dtype(form["numpy"])
        if dtype.kind in "iub" and column.null_count:
            raise Mismatch(f"{dtype} without missing values", f"{column.null_count} missing values")
        values = column.to_numpy()
        return values.astype(dtype, copy=not values.flags.writeable)
    if "object" in form:
        return _revived_objects(column, _MISSING[form["object"]]())
    if "categorical" in form:
        return _revived_categories(column, form)
    return _dtype(form, column.type).__from_arrow__(column)


def pandas() -> Any:
    """The package pandas."""
    return optional.module("pandas", "pandas frames")


# --- dtypes ---------------------------------------------------------------------------------------


def _native(values: Any) -> Any:
    """The values as Arrow takes them: an extension array, or numpy's in the byte order of this machine."""
    if hasattr(values.dtype, "na_value"):
        return values.array
    array = values.to_numpy()
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _form(dtype: Any, arrow_type: Any) -> Form:
    pd = pandas()
    if isinstance(dtype, pd.StringDtype):
        return {"string": dtype.storage, "nan": dtype.na_value is not pd.NA}
    if isinstance(dtype, pd.ArrowDtype):
        return {"arrow": str(arrow_type)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"moment": dtype.unit, "zone": arrow_type.tz}
    if hasattr(dtype, "na_value"):
        return {"extension": str(dtype)}
    return {"numpy": dtype.str}


def _dtype(form: Mapping[str, Any], arrow_type: Any) -> Any:
    pd = pandas()
    if "string" in form:
        nan = optional.module("numpy", "pandas frames").nan
        return pd.StringDtype(form["string"], na_value=nan if form["nan"] else pd.NA)
    if "arrow" in form:
        return pd.ArrowDtype(arrow_type)
    if "moment" in form:
        return pd.DatetimeTZDtype(form["moment"], form["zone"])
    if "numpy" in form:
        return optional.module("numpy", "pandas frames").dtype(form["numpy"])
    return pd.api.types.pandas_dtype(form["extension"])


def _fix(dtype: Any) -> str:
    if getattr(dtype, "kind", "") == "c":
        return "store the real and the imaginary part as two columns"
    if isinstance(dtype, pandas().SparseDtype):
        return "make it dense: frame[column].sparse.to_dense()"
    if isinstance(dtype, pandas().DatetimeTZDtype):
        return "convert it to a named time zone, such as tz_convert('UTC')"
    return "convert the column with astype(...)"


# --- categories -----------------------------------------------------------------------------------


def _dumped_categories(values: Any) -> tuple[Any, Form]:
    pa = notes.arrow()
    categorical = values.array
    categories, form = dumped(categorical.categories)
    categories = getattr(
        categories, "storage", categories
    )  # Arrow's files refuse other dictionaries
    codes = categorical.codes
    array = pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=codes < 0), categories, ordered=categorical.ordered
    )
    return array, {"categorical": form, "ordered": bool(categorical.ordered)}


def _revived_categories(column: Any, form: Mapping[str, Any]) -> Any:
    pd, pa = pandas(), notes.arrow()
    column = column.unify_dictionaries()
    dictionary = (
        column.chunk(0).dictionary if column.num_chunks else pa.array([], column.type.value_type)
    )
    categories = pd.Index(revived(pa.chunked_array([dictionary]), form["categorical"]))
    codes = [chunk.indices.fill_null(-1) for chunk in column.chunks]
    numbers = pa.chunked_array(codes, type=column.type.index_type).to_numpy()
    dtype = pd.CategoricalDtype(categories, ordered=form["ordered"])
    return pd.Categorical.from_codes(numbers, dtype=dtype)


# --- objects --------------------------------------------------------------------------------------

_MISSING: dict[str, Any] = {
    "None": lambda: None,
    "nan": lambda: float("nan"),
    "NA": lambda: pandas().NA,
    "NaT": lambda: pandas().NaT,
}
"""What stands for a missing value in a column of objects: name → maker."""


def _dumped_objects(values: Any) -> tuple[Any, Form]:
    pa, items = notes.arrow(), list(values)
    marker = _marker(items)
    plain = [None if _missing_name(item) else item for item in items]
    types = {type(item) for item in plain if item is not None}
    if len(types) > 1:
        raise _mixed(plain)
    try:
        array = pa.array(plain, from_pandas=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _refused(plain, str(error).splitlines()[0]) from error
    if (types and types.isdisjoint(_OBJECTS)) and not _same(array.to_pylist(), plain):
        raise _refused(plain, "they would come back as something else")
    return array, {"object": marker}


def _marker(items: list[Any]) -> str:
    names = {name for item in items if (name := _missing_name(item))}
    if len(names) > 1:
        raise Mismatch(
            "one kind of missing value",
            f"{' and '.join(sorted(names))} in a column of objects",
            "use one of them: frame[column] = frame[column].where(frame[column].notna(), None)",
        )
    return names.pop() if names else "None"


def _missing_name(item: Any) -> str | None:
    pd = pandas()
    if item is None:
        return "None"
    if isinstance(item, float) and item != item:
        return "nan"
    return "NA" if item is pd.NA else "NaT" if item is pd.NaT else None


def _mixed(items: list[Any]) -> Mismatch:
    first = next(i for i, item in enumerate(items) if item is not None)
    other = next(
        i
        for i, item in enumerate(items)
        if item is not None and type(item) is not type(items[first])
    )
    return Mismatch(
        "values of one type in a column",
        f"{found(items[first])} in row {first} and {found(items[other])} in row {other}",
        "convert them to one type, for example frame[column].astype('str')",
    )


def _refused(items: list[Any], reason: str) -> Mismatch:
    example = next(item for item in items if item is not None)
    return Mismatch(
        "values that a table can hold",
        f"objects such as {found(example)} ({reason})",
        "convert the column with astype(...), or pass the values outside of the table",
    )


def _same(left: Any, right: Any) -> bool:
    """Whether values are equal and of the same types, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(left == right)


def _revived_objects(column: Any, missing: Any) -> Any:
    np = optional.module("numpy", "pandas frames")
    items = column.to_pylist()
    array = np.empty(len(items), dtype=object)
    array[:] = [missing if item is None else item for item in items]
    return array
