from datetime import UTC, datetime, timedelta, timezone

import pytest
from flyteidl2.common import list_pb2

from flyte import errors
from flyte._phases import ActionPhase
from flyte.remote import TimeFilter, _listing


class Pages:
    """Numbers from 0, in pages as large as asked for."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.requests: list[list_pb2.ListRequest] = []

    async def __call__(self, request: list_pb2.ListRequest) -> tuple[list[int], str]:
        self.requests.append(list_pb2.ListRequest.FromString(request.SerializeToString()))
        start = int(request.token or 0)
        end = min(start + request.limit, self.total)
        return list(range(start, end)), str(end) if end < self.total else ""


async def test_all_pages_are_read_one_after_the_other() -> None:
    pages = Pages(250)
    assert [item async for item in _listing.items(pages, ())] == list(range(250))
    assert [(request.token, request.limit) for request in pages.requests] == [
        ("", 100),
        ("100", 100),
        ("200", 100),
    ]


async def test_no_more_is_asked_for_than_is_wanted() -> None:
    pages = Pages(1000)
    assert [item async for item in _listing.items(pages, (), limit=150)] == list(range(150))
    assert [request.limit for request in pages.requests] == [100, 50]
    assert [item async for item in _listing.items(pages, (), limit=0)] == []


async def test_the_newest_come_first_unless_asked_otherwise() -> None:
    pages = Pages(1)
    async for _ in _listing.items(pages, ()):
        pass
    async for _ in _listing.items(pages, (), sort_by=("name", "asc")):
        pass
    first, second = (request.sort_by for request in pages.requests)
    assert (first.key, first.direction) == ("created_at", list_pb2.Sort.DESCENDING)
    assert (second.key, second.direction) == ("name", list_pb2.Sort.ASCENDING)


async def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(errors.DefinitionError, match="must be 'asc' or 'desc'"):
        await anext(_listing.items(Pages(1), (), sort_by=("name", "up")))


def test_phases_are_filtered_by_number() -> None:
    (found,) = _listing.in_phases((ActionPhase.RUNNING, "failed"))
    assert found.function == list_pb2.Filter.VALUE_IN
    assert list(found.values) == ["4", "6"]
    assert _listing.in_phases(None) == []


def test_a_phase_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(errors.DefinitionError, match="no phase 'done', only: queued"):
        _listing.in_phases(("done",))


def test_times_are_sent_in_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    span = TimeFilter(
        after=datetime(2026, 1, 1, 12, tzinfo=berlin), before=datetime(2026, 1, 2, tzinfo=UTC)
    )
    after, before = _listing.during("created_at", span)
    assert (after.function, list(after.values)) == (
        list_pb2.Filter.GREATER_THAN_OR_EQUAL,
        ["2026-01-01T10:00:00Z"],
    )
    assert (before.function, list(before.values)) == (
        list_pb2.Filter.LESS_THAN,
        ["2026-01-02T00:00:00Z"],
    )
    naive = TimeFilter(after=datetime(2026, 1, 1))  # noqa: DTZ001 - the case at hand
    assert list(_listing.during("created_at", naive)[0].values) == ["2026-01-01T00:00:00Z"]
    assert _listing.during("created_at", None) == []


def test_labels_are_filtered_by_value_and_by_name() -> None:
    value, name = _listing.labelled({"team": "a"}, ["owner"])
    assert (value.field, list(value.values)) == ("labels.team", ["a"])
    assert (name.field, name.function) == ("labels.owner", list_pb2.Filter.EXISTS)
