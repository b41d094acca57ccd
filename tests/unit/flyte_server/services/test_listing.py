"""Pages, sort fields and filters of the wire, in the store's words."""

import pytest
from flyteidl2.common import list_pb2

from flyte_server.domain.errors import Invalid
from flyte_server.services import listing
from flyte_server.services.runs.matching import ActionMatch
from flyte_server.store.filters import Filter, Function, Sort


def wire(function: str, field: str, *values: str) -> list_pb2.Filter:
    return list_pb2.Filter(
        function=list_pb2.Filter.Function.Value(function), field=field, values=values
    )


def test_a_page_shows_as_many_as_asked_for_and_knows_the_next() -> None:
    page = listing.page(list_pb2.ListRequest(limit=2, token="4"))
    assert (page.fetch, page.offset) == (3, 4)
    assert page.cut([1, 2, 3]) == ([1, 2], "6")
    assert page.cut([1, 2]) == ([1, 2], "")


def test_limits_are_reasonable() -> None:
    assert listing.limit(0) == 100
    assert listing.limit(10**9) == 1000


def test_a_foreign_token_is_refused() -> None:
    with pytest.raises(Invalid, match="'abc'"):
        listing.page(list_pb2.ListRequest(token="abc"))


def test_the_old_and_the_new_way_to_sort_mean_the_same() -> None:
    new = list_pb2.ListRequest(
        sort_by_fields=[list_pb2.Sort(key="name", direction=list_pb2.Sort.ASCENDING)]
    )
    old = list_pb2.ListRequest(sort_by=list_pb2.Sort(key="name", direction=list_pb2.Sort.ASCENDING))
    assert listing.page(new).sorts == listing.page(old).sorts == (Sort("name", ascending=True),)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (wire("EQUAL", "phase", "ACTION_PHASE_RUNNING"), ("running",)),
        (wire("VALUE_IN", "phase", "5", "FAILED"), ("succeeded", "failed")),
        (wire("GREATER_THAN", "created_at", "1970-01-01T00:00:01.5Z"), (1_500_000,)),
        (wire("EQUAL", "name", "5"), ("5",)),
    ],
)
def test_values_are_made_as_they_are_stored(
    message: list_pb2.Filter, found: tuple[object, ...]
) -> None:
    (filter_,) = listing.filters([message])
    assert filter_.values == found


@pytest.mark.parametrize("function", list_pb2.Filter.Function.keys())
def test_every_function_of_the_wire_is_known(function: str) -> None:
    (filter_,) = listing.filters([wire(function, "name", "x")])
    assert filter_.function.name == function


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="yesterday"):
        listing.filters([wire("EQUAL", "created_at", "yesterday")])


def test_the_older_spelling_of_filters_is_understood() -> None:
    assert listing.raw_filters(["eq(project.name,x)+value_in(state,0;1)"]) == (
        Filter(Function.EQUAL, "name", ("x",)),
        Filter(Function.VALUE_IN, "state", ("0", "1")),
    )
    assert listing.raw_filters([""]) == ()
    with pytest.raises(Invalid, match="like"):
        listing.raw_filters(["like(name,x)"])


def test_a_stream_refuses_fields_it_does_not_know() -> None:
    with pytest.raises(Invalid, match="colour"):
        ActionMatch([Filter(Function.EQUAL, "colour", ("red",))])
    with pytest.raises(Invalid, match="greater_than"):
        ActionMatch([Filter(Function.GREATER_THAN, "name", ("a",))])
