"""The metadata that pandas keeps in parquet files, for readers other than us.

Its form is described in pandas' developer documentation ("Storing pandas DataFrame objects in Apache Parquet format").
"""

from collections.abc import Mapping
from typing import Any

from flyte.io._codecs import notes

_LOGICAL = {
    "is_boolean": "bool",
    "is_string": "unicode",
    "is_large_string": "unicode",
    "is_binary": "bytes",
    "is_date": "date",
    "is_time": "time",
    "is_decimal": "decimal",
    "is_dictionary": "categorical",
    "is_null": "empty",
}


def of(frame: Any, schema: Any, note: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a frame.

    Args:
        frame: the frame.
        schema: of its table.
        note: ours (see `pandas_frames`).
    """
    index = note["index"]
    levels = index.get("fields", [])
    described = [
        _column(label, schema.field(position), dtype)
        for position, (label, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True))
    ]
    for number, field in enumerate(levels):
        level = frame.index.get_level_values(number)
        described.append(_column(index["names"][number], schema.field(field), level.dtype))
    return {
        "index_columns": levels or [_range(index)],
        "column_indexes": [_labels(name, frame.columns) for name in frame.columns.names],
        "columns": described,
        "creator": {"library": "pyarrow", "version": notes.arrow().__version__},
    }


def _range(index: Mapping[str, Any]) -> dict[str, Any]:
    start, stop, step = index["range"]
    return {
        "kind": "range",
        "name": _text(index["names"][0]),
        "start": start,
        "stop": stop,
        "step": step,
    }


def _column(label: Any, field: Any, dtype: Any) -> dict[str, Any]:
    return {
        "name": _text(label),
        "field_name": field.name,
        "pandas_type": _logical(field.type),
        "numpy_type": _physical(dtype),
        "metadata": _details(field.type),
    }


def _labels(name: Any, labels: Any) -> dict[str, Any]:
    whole = str(labels.dtype) if getattr(labels.dtype, "kind", "") in "iu" else None
    return {
        "name": _text(name),
        "field_name": _text(name),
        "pandas_type": whole or "unicode",
        "numpy_type": whole or "object",
        "metadata": None if whole else {"encoding": "UTF-8"},
    }


def _text(label: Any) -> str | None:
    return label if label is None or isinstance(label, str) else str(label)


def _logical(arrow_type: Any) -> str:
    types = notes.arrow().types
    if types.is_timestamp(arrow_type):
        return "datetime" if arrow_type.tz is None else "datetimetz"
    if types.is_duration(arrow_type):
        return "timedelta"
    if types.is_integer(arrow_type) or types.is_floating(arrow_type):
        return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(
            str(arrow_type), str(arrow_type)
        )
    return next(
        (name for question, name in _LOGICAL.items() if getattr(types, question)(arrow_type)),
        "object",
    )


def _physical(dtype: Any) -> str:
    """The dtype's name if pandas can read it; other readers make objects of the rest."""
    name = str(dtype)
    return "object" if "[pyarrow]" in name and ("<" in name or "(" in name) else name


def _details(arrow_type: Any) -> dict[str, Any] | None:
    types = notes.arrow().types
    if types.is_dictionary(arrow_type):
        return {"ordered": arrow_type.ordered}
    if types.is_timestamp(arrow_type) and arrow_type.tz is not None:
        return {"timezone": arrow_type.tz}
    return None
