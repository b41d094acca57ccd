"""How one value is read from the command line: a click type for each kind of Python type.

Scalars are written as people write them; everything with parts is JSON, or `@FILE` with JSON in it.
"""

import enum
import re
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from flyte._kit import clock, optional
from flyte.cli.run import json_text

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


class Stored(click.ParamType):
    """A file, folder or table: a path of this machine, whose content is copied, or the address of one in a store."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.name = {"file": "file", "dir": "directory"}.get(getattr(kind, "KIND", ""), "table")

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        if "://" in value:
            return self._kind.from_existing_remote(value)
        try:
            return self._kind.pending(value)
        except (OSError, ValueError) as error:
            self.fail(str(error), param, ctx)


class Json(click.ParamType):
    """A value with parts: JSON, or `@FILE` with JSON in it, checked against the type."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self.name = f"json {hint_name(hint)}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        text, source = self._text(value, param, ctx)
        try:
            json_text.check(text, source=source)
        except json_text.MalformedError as error:
            self.fail(str(error), param, ctx)
        return self._checked(text, param, ctx)

    def _text(self, value: str, param: Any, ctx: Any) -> tuple[str, str]:
        """The JSON, and the file that it comes from."""
        if not value.startswith("@"):
            return value, ""
        content = _read_file(self, value, param, ctx)
        try:
            return content.decode("utf-8-sig"), value[1:]
        except UnicodeDecodeError as error:
            self.fail(
                f"file {value[1:]!r} is no UTF-8 text: byte {content[error.start]:#04x} at {error.start}",
                param,
                ctx,
            )

    def _checked(self, text: str, param: Any, ctx: Any) -> Any:
        pydantic = optional.module("pydantic", needed_for="reading JSON inputs")
        try:
            return pydantic.TypeAdapter(self._hint).validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            self.fail(_first_of(error.errors(), param), param, ctx)
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
_TABLES = {
    ("pandas", "DataFrame"),
    ("polars", "DataFrame"),
    ("polars", "LazyFrame"),
    ("pyarrow", "Table"),
}
"""Classes of other libraries that are read from a table's file."""
_OWN_TABLES = "flyte.io._dataframe"


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
    return _SCALARS.get(hint) or _stored(hint) or Json(hint)


def _stored(hint: Any) -> click.ParamType | None:
    """The click type of a hint whose values live in a store; None for others."""
    if not isinstance(hint, type):
        return None
    if (hint.__module__.partition(".")[0], hint.__name__) in _TABLES:
        return Stored(optional.module("flyte.io", needed_for="tables as inputs").DataFrame)
    if not optional.loaded("flyte.io"):
        return None  # then nobody can have named a class of it
    io = optional.module("flyte.io", needed_for="files as inputs")
    known = [io.File, io.Dir]
    if optional.loaded(_OWN_TABLES):
        known.append(io.DataFrame)
    return Stored(hint) if issubclass(hint, tuple(known)) else None


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


def _first_of(found: Sequence[Mapping[str, Any]], param: Any) -> str:
    """The first thing that does not fit, by its path; how many there are."""
    first = found[0]
    place = json_text.path(param.opts[0] if param else "value", first["loc"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    said = first["msg"][:1].lower() + first["msg"][1:]
    return f"{place}: {said}, found {json_text.shown(first['input'])}{more}"
