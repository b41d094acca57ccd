"""What all listings share: pages, sort fields and filters, in their two spellings."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from flyteidl2.common import list_pb2
from flyteidl2.workflow import run_definition_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from flyte_server.domain.errors import Invalid
from flyte_server.services.wire import statuses, times
from flyte_server.store.filters import Filter, Function, Sort, Value

_DEFAULT_LIMIT = 100
_LARGEST_LIMIT = 1000
_TIME_FIELDS = frozenset(
    {
        "created_at",
        "start_time",
        "started_at",
        "ended_at",
        "end_time",
        "updated_at",
        "deployed_at",
        "triggered_at",
    }
)
_RAW = re.compile(r"(\w+)\(([^,()]+),([^()]*)\)")
_RAW_FUNCTIONS = {
    "eq": Function.EQUAL,
    "ne": Function.NOT_EQUAL,
    "gt": Function.GREATER_THAN,
    "gte": Function.GREATER_THAN_OR_EQUAL,
    "lt": Function.LESS_THAN,
    "lte": Function.LESS_THAN_OR_EQUAL,
    "contains": Function.CONTAINS,
    "value_in": Function.VALUE_IN,
    "value_not_in": Function.VALUE_NOT_IN,
}

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page:
    """What a caller asked for, in the store's words."""

    limit: int
    offset: int
    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than is shown tells whether there is a next page."""
        return self.limit + 1

    def cut(self, rows: Sequence[R]) -> tuple[Sequence[R], str]:
        """The rows of this page, and the token of the next one (empty: this is the last)."""
        if len(rows) <= self.limit:
            return rows, ""
        return rows[: self.limit], str(self.offset + self.limit)


def page(request: list_pb2.ListRequest) -> Page:
    """The page of a ListRequest.

    Raises:
        Invalid: a token, function or value cannot be understood.
    """
    sorts = list(request.sort_by_fields)
    if not sorts and request.HasField("sort_by") and request.sort_by.key:
        sorts = [request.sort_by]
    return Page(
        limit=limit(request.limit),
        offset=offset(request.token),
        filters=(*filters(request.filters), *raw_filters(request.raw_filters)),
        sorts=tuple(sort(message) for message in sorts),
    )


def limit(asked: int) -> int:
    """Rows on a page: as asked for, within reason."""
    return min(asked, _LARGEST_LIMIT) if asked else _DEFAULT_LIMIT


def offset(token: str) -> int:
    """Where a page begins.

    Raises:
        Invalid: the token is not one that a listing gave.
    """
    if not token:
        return 0
    if not token.isdecimal():
        raise Invalid(
            f"The token {token!r} was not given by a listing; send the last answer's token, or "
            "none."
        )
    return int(token)


def sort(message: list_pb2.Sort) -> Sort:
    """A sort field."""
    return Sort(message.key, ascending=message.direction == list_pb2.Sort.ASCENDING)


def filters(messages: Iterable[list_pb2.Filter]) -> tuple[Filter, ...]:
    """Filters as the SDK sends them.

    Raises:
        Invalid: a function is none that we know.
    """
    return tuple(_filter(_function(message), message.field, message.values) for message in messages)


def _function(message: list_pb2.Filter) -> Function:
    known = list_pb2.Filter.Function.DESCRIPTOR.values_by_number.get(message.function)
    try:
        return Function(known.name.lower() if known else "")
    except ValueError:
        raise Invalid(
            f"The filter on {message.field!r} has the function {message.function}, which is none of "
            f"{', '.join(Function)}."
        ) from None


def raw_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Filters in their older spelling: `eq(name,x)`, several joined by `+`, several values by `;`.

    Raises:
        Invalid: a text is not of this form.
    """
    found: list[Filter] = []
    for text in texts:
        for part in filter(None, text.split("+")):
            match = _RAW.fullmatch(part.strip())
            function = _RAW_FUNCTIONS.get(match[1]) if match else None
            if match is None or function is None:
                known = ", ".join(sorted(_RAW_FUNCTIONS))
                raise Invalid(
                    f"The filter {part!r} is not of the form function(field,value); functions are "
                    f"{known}."
                )
            field = match[2].strip().rpartition(".")[2]
            found.append(_filter(function, field, match[3].split(";")))
    return tuple(found)


def _filter(function: Function, field: str, values: Iterable[str]) -> Filter:
    return Filter(function, field, tuple(_value(field, value) for value in values))


def _value(field: str, text: str) -> Value:
    """A value as it is stored: phases by name, times in microseconds."""
    name = field.lower()
    if name == "phase":
        return _phase(text)
    if name == "action_type":
        return _kind(text)
    if name in _TIME_FIELDS:
        return _time(field, text)
    return text


def _kind(text: str) -> str:
    """A kind of action, which the wire knows by number and by name."""
    known = run_definition_pb2.ActionType
    name = known.Name(int(text)) if text.isdecimal() and int(text) in known.values() else text  # pyright: ignore[reportArgumentType]
    return name.lower().removeprefix("action_type_")


def _phase(text: str) -> str:
    if text.isdecimal():
        return statuses.from_phase(int(text), where="The filter's phase").value
    return text.lower().removeprefix("action_phase_")


def _time(field: str, text: str) -> int:
    if text.isdecimal():
        return int(text)
    moment = Timestamp()
    try:
        moment.FromJsonString(text)
    except ValueError as error:
        raise Invalid(
            f"The filter on {field} has the value {text!r}; write a time like 2026-01-31T12:00:00Z."
        ) from error
    return times.micros(moment)
