"""Filters and sort fields of listings to SQL; columns come from a white list, values are always
parameters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flyte_server.domain import errors

Value = str | int | float


class Function(StrEnum):
    """How a filter compares; the names are those of the wire."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    GREATER_THAN = "greater_than"
    GREATER_THAN_OR_EQUAL = "greater_than_or_equal"
    LESS_THAN = "less_than"
    LESS_THAN_OR_EQUAL = "less_than_or_equal"
    CONTAINS = "contains"
    CONTAINS_CASE_INSENSITIVE = "contains_case_insensitive"
    ENDS_WITH = "ends_with"
    NOT_ENDS_WITH = "not_ends_with"
    VALUE_IN = "value_in"
    VALUE_NOT_IN = "value_not_in"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; a listing fulfils all of them."""

    function: Function
    field: str
    values: tuple[Value, ...] = ()
    """As stored: phases by name in lower case, times in microseconds."""


@dataclass(frozen=True, slots=True)
class Sort:
    """One field to sort by."""

    field: str
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A WHERE clause with named parameters."""

    sql: str
    parameters: dict[str, Value]


_PATH = "{path}"
_COMPARISONS = {
    Function.EQUAL: "{column} = {value}",
    Function.NOT_EQUAL: "{column} <> {value}",
    Function.GREATER_THAN: "{column} > {value}",
    Function.GREATER_THAN_OR_EQUAL: "{column} >= {value}",
    Function.LESS_THAN: "{column} < {value}",
    Function.LESS_THAN_OR_EQUAL: "{column} <= {value}",
    Function.CONTAINS: "replace({column}, {value}, '') <> {column}",
    Function.CONTAINS_CASE_INSENSITIVE: (
        "replace(lower({column}), lower({value}), '') <> lower({column})"
    ),
    Function.ENDS_WITH: "substr({column}, length({column}) - length({value}) + 1) = {value}",
    Function.NOT_ENDS_WITH: "substr({column}, length({column}) - length({value}) + 1) <> {value}",
}
"""Functions with one value; without LIKE, whose wildcards and case rules differ between
databases."""


def equal(**fields: Value | None) -> tuple[Filter, ...]:
    """Filters for the fields that have a value.

    Example:
        equal(project="flytesnacks", domain=None)  # one filter, on the project
    """
    return tuple(
        Filter(Function.EQUAL, field, (value,))
        for field, value in fields.items()
        if value is not None
    )


def one_of(field: str, values: Collection[str] | None) -> tuple[Filter, ...]:
    """A filter that lets these values through and no others; None: all of them."""
    if values is None:
        return ()
    return (Filter(Function.VALUE_IN, field, tuple(sorted(values)) or ("",)),)


def condition(filters: Sequence[Filter], fields: Mapping[str, str]) -> Condition:
    """All filters as one condition.

    Args:
        filters: what the caller asked for.
        fields: the white list, field to column.  `labels.*` stands for every field of that beginning; its column
            is written with `{path}`, where the parameter with the JSON path of the rest goes.

    Raises:
        errors.Invalid: for a field that is not in the list, or a wrong number of values.
    """
    parameters: dict[str, Value] = {}
    clauses: list[str] = []
    for filter_ in filters:
        values = list(filter_.values)
        column = _column(filter_.field, fields)
        if _PATH in column:
            values.append(_json_path(filter_.field))
        names: list[str] = []
        for value in values:
            name = f"value_{len(parameters)}"
            parameters[name] = value
            names.append(f":{name}")
        if _PATH in column:
            column = column.replace(_PATH, names.pop())
        clauses.append(_clause(filter_, column, names))
    return Condition(" AND ".join(clauses) or "1 = 1", parameters)


def order(sorts: Sequence[Sort], fields: Mapping[str, str], *, default: str, tie: str) -> str:
    """The ORDER BY list.

    Args:
        sorts: what the caller asked for, the most important first.
        fields: the white list, field to column.
        default: the order when nothing was asked for.
        tie: the last column, which makes pages stable.

    Raises:
        errors.Invalid: for a field that is not in the list.
    """
    columns = {field: column for field, column in fields.items() if _PATH not in column}
    asked = [
        f"{_column(sort.field, columns)} {'ASC' if sort.ascending else 'DESC'}" for sort in sorts
    ]
    return ", ".join([*(asked or [default]), tie])


def _json_path(field: str) -> str:
    """Where in a JSON object the rest of a field like `labels.team` lies.

    Raises:
        errors.Invalid: for a name that a path cannot say.
    """
    key = field.partition(".")[2]
    if '"' in key:
        raise errors.Invalid(
            f"a listing cannot use the field {field!r}: its name has a quotation mark"
        )
    return f'$."{key}"'


def _column(field: str, fields: Mapping[str, str]) -> str:
    family = f"{field.partition('.')[0].lower()}.*"
    column = fields.get(family) if "." in field else fields.get(field.lower())
    if column is None:
        raise errors.Invalid(
            f"a listing cannot use the field {field!r}; it knows {', '.join(sorted(fields))}"
        )
    return column


def _clause(filter_: Filter, column: str, names: list[str]) -> str:
    match filter_.function:
        case Function.EXISTS:
            return f"({column} IS NOT NULL AND {column} <> '')"
        case Function.NOT_EXISTS:
            return f"({column} IS NULL OR {column} = '')"
        case Function.VALUE_IN | Function.VALUE_NOT_IN if names:
            negated = "NOT " if filter_.function is Function.VALUE_NOT_IN else ""
            return f"{column} {negated}IN ({', '.join(names)})"
        case function if function in _COMPARISONS and len(names) == 1:
            return _COMPARISONS[function].format(column=column, value=names[0])
        case function:
            raise errors.Invalid(
                f"the filter {function.value} on {filter_.field} cannot take {len(names)} values"
            )
