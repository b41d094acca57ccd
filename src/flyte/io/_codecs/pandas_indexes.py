"""Labels of pandas frames: those of the rows become columns of the table, those of the columns a note."""

from collections.abc import Mapping, Sequence
from typing import Any

from flyte.io._codecs import notes
from flyte.io._codecs.pandas_dtypes import Form, dumped, pandas, revived
from flyte.types._nodes.base import Mismatch, found

_NAMES = (str, int, type(None))


def field_names(labels: Any) -> list[str]:
    """A column's name in the table for each label, in their order; raises Mismatch when two are the same."""
    names = [label if isinstance(label, str) else str(label) for label in labels]
    if len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise Mismatch(
            "columns with names of their own",
            f"{names.count(name)} columns that are called {name!r}",
            "rename them",
        ).at(f"[{name!r}]")
    return names


def dumped_rows(index: Any, taken: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The labels of the rows as columns by name (none for a plain range), and the note to revive them by."""
    pd = pandas()
    note: dict[str, Any] = {"names": _names(index)}
    if type(index) is pd.RangeIndex:
        return {}, {**note, "range": [index.start, index.stop, index.step]}
    arrays: dict[str, Any] = {}
    forms: list[Form] = []
    for number, level in enumerate(_levels(index)):
        name = index.names[number]
        field = name if isinstance(name, str) and name not in (*taken, *arrays) else None
        try:
            array, form = dumped(level)
        except Mismatch as mismatch:
            raise mismatch.at(".index")  # noqa: B904 - the same error, with its place
        arrays[field or f"__index_level_{number}__"] = array
        forms.append(form)
    return arrays, {**note, "fields": list(arrays), "forms": forms, **_rhythm(index)}


def revived_rows(table: Any, note: Mapping[str, Any], start: int) -> Any:
    """The labels of the rows of a table, or of a piece of one that begins at row `start`."""
    if "range" in note:
        first, stop, step = note["range"]
        whole = pandas().RangeIndex(first, stop, step, name=note["names"][0])
        if not table.num_columns:
            return whole  # such a table does not know how many rows it has
        stop = start + table.num_rows
        # More rows than one frame had: these are several files, which are numbered anew.
        return whole[start:stop] if stop <= len(whole) else pandas().RangeIndex(start, stop)
    levels = [
        revived(table.column(field), form)
        for field, form in zip(note["fields"], note["forms"], strict=True)
    ]
    return _index(levels, note)


def dumped_labels(labels: Any) -> dict[str, Any]:
    """The note to revive the labels of the columns by."""
    pd, pa = pandas(), notes.arrow()
    note: dict[str, Any] = {"names": _names(labels)}
    if type(labels) is pd.RangeIndex:
        return {**note, "range": [labels.start, labels.stop, labels.step]}
    try:
        levels = [dumped(level) for level in _levels(labels)]
    except Mismatch as mismatch:
        raise mismatch.at(".columns")  # noqa: B904 - the same error, with its place
    forms = [form for _, form in levels]
    is_text = len(levels) == 1 and all(isinstance(label, str) for label in labels)
    if is_text and ("string" in forms[0] or "object" in forms[0]):
        return {**note, "forms": forms}  # they are the names of the table's columns
    columns = {str(number): array for number, (array, _) in enumerate(levels)}
    packed = notes.packed(notes.plain(pa.table(columns), keep_text=False))
    return {**note, "forms": forms, "levels": packed, **_rhythm(labels)}


def revived_labels(note: Mapping[str, Any], fields: Sequence[str], positions: Sequence[int]) -> Any:
    """The labels of those columns of a frame that are at `positions`."""
    pd, pa = pandas(), notes.arrow()
    if "range" in note:
        first, stop, step = note["range"]
        whole = pd.RangeIndex(first, stop, step, name=note["names"][0])
    elif "levels" not in note:
        values = pa.chunked_array([pa.array(fields, pa.string())])
        whole = _index([revived(values, note["forms"][0])], note)
    else:
        table = notes.unpacked(note["levels"])
        table = notes.restored(table, table.schema)
        levels = [revived(table.column(number), form) for number, form in enumerate(note["forms"])]
        whole = _index(levels, note)
    return whole if list(positions) == list(range(len(fields))) else whole.take(positions)


def _levels(index: Any) -> list[Any]:
    if isinstance(index, pandas().MultiIndex):
        return [index.get_level_values(number) for number in range(index.nlevels)]
    return [index]


def _index(levels: list[Any], note: Mapping[str, Any]) -> Any:
    pd = pandas()
    if len(note["names"]) > 1:
        return pd.MultiIndex.from_arrays(levels, names=note["names"])
    dtype = object if levels[0].dtype == object else None  # or else pandas makes text of objects
    index = pd.Index(levels[0], name=note["names"][0], dtype=dtype, copy=False)
    if note.get("freq") is not None and len(index) == note["length"]:
        index.freq = note["freq"]
    return index


def _rhythm(index: Any) -> dict[str, Any]:
    """The frequency of an index of moments or spans, if it has one."""
    frequency = getattr(index, "freqstr", None)
    is_period = isinstance(index, pandas().PeriodIndex)
    return {} if frequency is None or is_period else {"freq": frequency, "length": len(index)}


def _names(index: Any) -> list[Any]:
    for name in index.names:
        if type(name) not in _NAMES:
            raise Mismatch(
                "names of an index that are text or whole numbers", found(name), "rename it"
            ).at(".index.names")
    return list(index.names)
