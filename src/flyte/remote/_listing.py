"""Listings: pages behind one iterator, and filters in plain words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from flyteidl2.common import list_pb2, phase_pb2
from flyteidl2.common.list_pb2 import ListRequest

from flyte import errors
from flyte._phases import ActionPhase

T = TypeVar("T")

SortBy = tuple[str, Literal["asc", "desc"]]
Page = Callable[[ListRequest], Awaitable[tuple[Iterable[T], str]]]
"""Fetches one page: its items, and the token of the next one (empty: there is none)."""

NEWEST_FIRST: SortBy = ("created_at", "desc")
_PAGE_SIZE = 100


@dataclass
class TimeFilter:
    """A span of time; a moment without a time zone is in UTC."""

    after: datetime | None = None
    before: datetime | None = None


async def items(
    page: Page[T],
    filters: Iterable[list_pb2.Filter],
    *,
    sort_by: SortBy | None = None,
    limit: int | None = None,
) -> AsyncIterator[T]:
    """The items of all pages, one after the other, fetched as they are asked for.

    Args:
        page: fetches one page.
        filters: all must hold.
        sort_by: field and direction (default: newest first).
        limit: how many at most (None: all).
    """
    request = ListRequest(filters=filters, sort_by=_sort(sort_by or NEWEST_FIRST))
    left = limit
    while left is None or left > 0:
        request.limit = _PAGE_SIZE if left is None else min(left, _PAGE_SIZE)
        found, request.token = await page(request)
        for item in found:
            yield item
            left = None if left is None else left - 1
            if left == 0:
                return
        if not request.token:
            return


def equal(field: str, value: str | None) -> list[list_pb2.Filter]:
    """A filter for one value; none when there is no value."""
    return [_filter(list_pb2.Filter.EQUAL, field, value)] if value is not None else []


def in_phases(phases: Iterable[ActionPhase | str] | None) -> list[list_pb2.Filter]:
    """A filter for phases, which the wire knows by number.

    Raises:
        DefinitionError: naming a phase that does not exist.
    """
    if phases is None:
        return []
    names = [_phase(phase).to_protobuf_name() for phase in phases]
    numbers = [str(phase_pb2.ActionPhase.Value(name)) for name in names]
    return [_filter(list_pb2.Filter.VALUE_IN, "phase", *numbers)]


def during(field: str, span: TimeFilter | None) -> list[list_pb2.Filter]:
    """Filters for a span of time."""
    if span is None:
        return []
    bounds = (
        (list_pb2.Filter.GREATER_THAN_OR_EQUAL, span.after),
        (list_pb2.Filter.LESS_THAN, span.before),
    )
    return [_filter(function, field, _moment(at)) for function, at in bounds if at is not None]


def labelled(labels: Mapping[str, str] | None, keys: Iterable[str] | None) -> list[list_pb2.Filter]:
    """Filters for labels with given values, and for labels of any value."""
    with_values = [
        _filter(list_pb2.Filter.EQUAL, f"labels.{key}", value)
        for key, value in (labels or {}).items()
    ]
    return [*with_values, *(_filter(list_pb2.Filter.EXISTS, f"labels.{key}") for key in keys or ())]


def _sort(by: SortBy) -> list_pb2.Sort:
    key, direction = by
    if direction not in ("asc", "desc"):
        raise errors.DefinitionError(f"sort_by={by!r}: the direction must be 'asc' or 'desc'")
    return list_pb2.Sort(
        key=key,
        direction=list_pb2.Sort.ASCENDING if direction == "asc" else list_pb2.Sort.DESCENDING,
    )


def _filter(function: "list_pb2.Filter.Function", field: str, *values: str) -> list_pb2.Filter:
    return list_pb2.Filter(function=function, field=field, values=values)


def _phase(phase: ActionPhase | str) -> ActionPhase:
    try:
        return ActionPhase(phase)
    except ValueError:
        known = ", ".join(each.value for each in ActionPhase)
        raise errors.DefinitionError(f"there is no phase {phase!r}, only: {known}") from None


def _moment(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
