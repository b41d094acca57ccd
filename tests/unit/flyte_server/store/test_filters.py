"""Filters: a white list of columns, and values that are never part of the statement."""

import contextlib
import sqlite3

import pytest

from flyte_server.domain import errors
from flyte_server.store import filters
from flyte_server.store.filters import Filter, Function, Sort

FIELDS = {"name": "name", "size": "size"}
ROWS = [("alpha", 1), ("Beta", 2), ("50%_x", 3), ("", 4), (None, 5)]


def names(*conditions: Filter) -> list[str | None]:
    condition = filters.condition(conditions, FIELDS)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (name TEXT, size INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ROWS)
        found = connection.execute(
            f"SELECT name FROM t WHERE {condition.sql} ORDER BY size", condition.parameters
        ).fetchall()
    return [name for (name,) in found]


@pytest.mark.parametrize(
    ("function", "field", "values", "expected"),
    [
        (Function.EQUAL, "name", ("alpha",), ["alpha"]),
        (Function.NOT_EQUAL, "name", ("alpha",), ["Beta", "50%_x", ""]),
        (Function.GREATER_THAN, "size", (3,), ["", None]),
        (Function.GREATER_THAN_OR_EQUAL, "size", (4,), ["", None]),
        (Function.LESS_THAN, "size", (2,), ["alpha"]),
        (Function.LESS_THAN_OR_EQUAL, "size", (2,), ["alpha", "Beta"]),
        (Function.CONTAINS, "name", ("b",), []),
        (Function.CONTAINS, "name", ("%_",), ["50%_x"]),
        (Function.CONTAINS_CASE_INSENSITIVE, "name", ("B",), ["Beta"]),
        (Function.ENDS_WITH, "name", ("pha",), ["alpha"]),
        (Function.NOT_ENDS_WITH, "name", ("a",), ["50%_x", ""]),
        (Function.VALUE_IN, "name", ("alpha", "Beta"), ["alpha", "Beta"]),
        (Function.VALUE_NOT_IN, "size", (1, 2, 3), ["", None]),
        (Function.EXISTS, "name", (), ["alpha", "Beta", "50%_x"]),
        (Function.NOT_EXISTS, "name", (), ["", None]),
    ],
)
def test_functions(
    function: Function, field: str, values: tuple[str | int, ...], expected: list[str | None]
) -> None:
    assert names(Filter(function, field, values)) == expected


def test_all_filters_must_hold() -> None:
    at_least = Filter(Function.GREATER_THAN, "size", (1,))
    assert names(at_least, Filter(Function.ENDS_WITH, "name", ("a",))) == ["Beta"]


def test_a_value_is_never_part_of_the_statement() -> None:
    hostile = "'; DROP TABLE t; --"
    condition = filters.condition([Filter(Function.EQUAL, "name", (hostile,))], FIELDS)
    assert "DROP" not in condition.sql
    assert list(condition.parameters.values()) == [hostile]


@pytest.mark.parametrize("field", ["password", "name; DROP TABLE t", ""])
def test_an_unknown_field_is_refused_with_the_known_ones(field: str) -> None:
    with pytest.raises(errors.Invalid, match="it knows name, size"):
        filters.condition([Filter(Function.EQUAL, field, ("x",))], FIELDS)
    with pytest.raises(errors.Invalid, match="it knows name, size"):
        filters.order([Sort(field)], FIELDS, default="name", tie="name")


@pytest.mark.parametrize("values", [(), ("a", "b")])
def test_a_wrong_number_of_values_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(errors.Invalid, match=f"cannot take {len(values)} values"):
        filters.condition([Filter(Function.EQUAL, "name", values)], FIELDS)


def test_the_order_ends_with_the_tie_breaker() -> None:
    asked = filters.order([Sort("size", ascending=True)], FIELDS, default="name", tie="id")
    assert asked == "size ASC, id"
    assert filters.order([], FIELDS, default="name DESC", tie="id") == "name DESC, id"


def test_a_field_of_a_family_is_looked_up_by_a_parameter() -> None:
    fields = {"labels.*": "json_extract(r.labels, {path})", "name": "r.name"}
    wanted = Filter(Function.EQUAL, "labels.team.x", ("a",))
    made = filters.condition([wanted], fields)
    assert made.sql == "json_extract(r.labels, :value_1) = :value_0"
    assert made.parameters == {"value_0": "a", "value_1": '$."team.x"'}


@pytest.mark.parametrize("field", ['labels.te"am', "name.x", "labels"])
def test_a_field_that_no_family_has_is_refused(field: str) -> None:
    fields = {"labels.*": "json_extract(r.labels, {path})", "name": "r.name"}
    with pytest.raises(errors.Invalid, match="cannot use the field"):
        filters.condition([Filter(Function.EXISTS, field)], fields)


def test_nothing_is_sorted_by_a_family() -> None:
    with pytest.raises(errors.Invalid, match="cannot use the field"):
        filters.order([Sort("labels.a")], {"labels.*": "{path}"}, default="x", tie="y")
