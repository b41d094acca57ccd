"""How one value is read from the command line: a click type for each kind of Python type.

Scalars are written as people write them; everything with parts is JSON, or `@FILE` with JSON in it.
"""

import enum
import json
import re
import types
import typing
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from flyte._kit import clock, optional

_UNITS = {
    "ms": 0.001,
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hr": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}
_CLOCK = re.compile(r"(?:(?:(?P<h>\d+):)?(?P<m>\d*)):(?P<s>\d+(?:\.\d+)?)")
_PART = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)[\s,]*")


class DateTime(click.ParamType):
    """`2026-01-31`, `2026-01-31T12:00:00+01:00`, `now`; without an offset it is UTC."""

    name = "datetime"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if value == "now":
            return clock.now()
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not like 2026-01-31T12:00:00+01:00 or `now`", param, ctx)
        return read if read.tzinfo else read.replace(tzinfo=UTC)


class Date(click.ParamType):
    """`2026-01-31` or `today` (of UTC)."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        if value == "today":
            return clock.now().date()
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not like 2026-01-31 or `today`", param, ctx)


class Duration(click.ParamType):
    """`90` (seconds), `1:30`, `1h 30m`, `10 days`."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        seconds = _seconds(value.strip().lower())
        if seconds is None:
            self.fail(f"{value!r} is not like 90s, 1:30, '1h 30m' or '10 days'", param, ctx)
        return timedelta(seconds=seconds)


def _seconds(text: str) -> float | None:
    """How many seconds a length of time has; None if it is none."""
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    if found := _CLOCK.fullmatch(text):
        hours, minutes = int(found["h"] or 0), int(found["m"] or 0)
        return sign * (hours * 3600 + minutes * 60 + float(found["s"]))
    total, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        unit = (
            _UNITS.get(part["unit"] or "s") or _UNITS.get(part["unit"].rstrip("s"))
            if part
            else None
        )
        if part is None or unit is None:
            return None
        total += float(part["number"]) * unit
        position = part.end()
    return sign * total if text else None


class Bytes(click.ParamType):
    """Text, stored as UTF-8, or `@FILE` with any content."""

    name = "bytes"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        if value.startswith("@"):
            return _read_file(self, value, param, ctx)
        return value.encode()


class OneOf(click.Choice):
    """One of a few values, each by its label: an Enum's names, a Literal's values."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(list(values))
        self._values = values

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return self._values[super().convert(value, param, ctx)]


class FirstThatFits(click.ParamType):
    """A union: the members are tried in their order, text last."""

    def __init__(self, members: list[click.ParamType]) -> None:
        self._members = sorted(members, key=lambda member: member is click.STRING)
        self.name = " or ".join(member.name for member in members)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        for member in self._members:
            try:
                return member.convert(value, param, ctx)
            except click.BadParameter:
                continue
        return self.fail(f"{value!r} is not {self.name}", param, ctx)


class Json(click.ParamType):
    """A value with parts: JSON, or `@FILE` with JSON in it, checked against the type."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self.name = f"json {hint_name(hint)}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        text = _read_file(self, value, param, ctx).decode() if value.startswith("@") else value
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            self.fail(_pointed_at(error), param, ctx)
        return self._checked(text, param, ctx)

    def _checked(self, text: str, param: Any, ctx: Any) -> Any:
        pydantic = optional.module("pydantic", needed_for="reading JSON inputs")
        try:
            return pydantic.TypeAdapter(self._hint).validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            found = error.errors()[0]
            place = "".join(f"[{part!r}]" for part in found["loc"]) or "the value"
            self.fail(f"{place}: {found['msg']} (got {found['input']!r})", param, ctx)
        except pydantic.errors.PydanticUserError:
            self.fail(
                f"a {hint_name(self._hint)} cannot be written on the command line; "
                "give the task a default for it, or start it from Python with flyte.run()",
                param,
                ctx,
            )


def hint_name(hint: Any) -> str:
    """A type as its author wrote it, without module names."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(hint))


_SCALARS: dict[Any, click.ParamType] = {
    bool: click.BOOL,
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    bytes: Bytes(),
    datetime: DateTime(),
    date: Date(),
    timedelta: Duration(),
}


def parameter_type(hint: Any) -> click.ParamType:
    """The click type that reads a value of type `hint`."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return parameter_type(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return _union(hint)
    if origin is typing.Literal:
        return OneOf({str(value): value for value in typing.get_args(hint)})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return OneOf(dict(hint.__members__))
    return _SCALARS.get(hint) or Json(hint)


def is_optional(hint: Any) -> bool:
    """Whether None is a value of the type."""
    return hint is None or type(None) in typing.get_args(hint)


def _union(hint: Any) -> click.ParamType:
    members = [parameter_type(part) for part in typing.get_args(hint) if part is not type(None)]
    return members[0] if len(members) == 1 else FirstThatFits(members)


def _read_file(kind: click.ParamType, value: str, param: Any, ctx: Any) -> bytes:
    path = Path(value[1:])
    try:
        return path.read_bytes()
    except OSError as error:
        kind.fail(f"file {str(path)!r} cannot be read: {error.strerror}", param, ctx)


def _pointed_at(error: json.JSONDecodeError) -> str:
    """What is wrong with JSON text, with a mark under the character."""
    line = error.doc.splitlines()[error.lineno - 1] if error.doc.strip() else ""
    start = max(0, error.colno - 40)
    mark = " " * (error.colno - 1 - start) + "^"
    where = f"line {error.lineno}, " if error.lineno > 1 else ""
    return (
        f"not JSON at {where}character {error.colno}: {error.msg}\n"
        f"  {line[start : error.colno + 40]}\n  {mark}"
    )
