"""Nodes of single values: numbers, strings, moments, and `Any`."""

import datetime
import decimal
import pathlib
import types
import uuid
from collections.abc import Callable
from typing import Any

from flyte.types._nodes import hints, times, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema


class PlainNode(Node):
    """A type that msgpack has a word for: None, bool, str, bytes (and int and float, which accept a little more)."""

    def __init__(self, python_type: type, kind: Kind, *, tag: str, schema: Schema) -> None:
        self.type = python_type
        self.name = hints.show(python_type)
        self.kinds = frozenset({kind})
        self.native = kind
        self.tag = tag
        self._schema = schema

    def pack(self, value: Any) -> Any:
        if type(value) is self.type:
            return value
        if self.fit(value) is Fit.NO:
            raise self.mismatch(value)
        return self._exact(value)

    def unpack(self, tree: Any) -> Any:
        return self.pack(tree)

    def fit(self, value: Any) -> Fit:
        if type(value) is self.type:
            return Fit.EXACT
        return Fit.NEAR if isinstance(value, self.type) else Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        return dict(self._schema)

    def mismatch(self, value: Any, fix: str = "") -> Mismatch:
        if not fix and self.type in _EXACT:
            none, convert = f"declare {self.name} | None", f"convert it with {self.name}()"
            fix = none if value is None else f"{convert}, or change the type hint"
        return super().mismatch(value, fix)

    def _exact(self, value: Any) -> Any:
        """A value of a subclass (an `IntEnum`, a numpy `float64`) as the type itself."""
        return _EXACT[self.type](value)


_EXACT: dict[type, Callable[[Any], Any]] = {
    int: int.__index__,
    float: float.__float__,
    str: str.__str__,
    bytes: bytes,
}


class IntNode(PlainNode):
    """Whole numbers of any size; a bool is none."""

    def fit(self, value: Any) -> Fit:
        return Fit.NO if isinstance(value, bool) else super().fit(value)


class FloatNode(PlainNode):
    """Floating-point numbers; an int is accepted and arrives as a float."""

    def fit(self, value: Any) -> Fit:
        if isinstance(value, int) and not isinstance(value, bool):
            return Fit.NEAR
        return super().fit(value)

    def _exact(self, value: Any) -> Any:
        try:
            return float(value)
        except OverflowError as error:
            raise self.mismatch(value, "it is too large for a float; declare int") from error


class TextNode(Node):
    """A type that travels as text, such as a date or a UUID."""

    kinds: frozenset[Kind] = frozenset({"str"})

    def __init__(
        self,
        python_type: type,
        text: Callable[[Any], str],
        parse: Callable[[str], Any],
        *,
        format: str,  # noqa: A002
    ) -> None:
        self.type = python_type
        self.name = self.tag = python_type.__name__
        self.text = text
        self.parse = parse
        self._format = format

    def pack(self, value: Any) -> Any:
        fit = self.fit(value)
        if fit is Fit.NO:
            raise self.mismatch(value)
        text = self.text(value)
        is_whole = fit is Fit.EXACT or self.parse(text) == value
        if not is_whole:
            fix = f"as a {self.name} it would lose something; convert it first"
            raise self.mismatch(value, fix)
        return text

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, str):
            try:
                return self.parse(tree)
            except (ValueError, ArithmeticError) as error:
                raise self.mismatch(tree, f"it cannot be read: {error}") from error
        if self.fit(tree) is Fit.NO:
            raise self.mismatch(tree)
        return tree

    def fit(self, value: Any) -> Fit:
        if type(value) is self.type:
            return Fit.EXACT
        return Fit.NEAR if isinstance(value, self.type) else Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "format": self._format}


class DateNode(TextNode):
    """Days; a datetime is none although Python derives it from date."""

    def fit(self, value: Any) -> Fit:
        return Fit.NO if isinstance(value, datetime.datetime) else super().fit(value)


class DecimalNode(TextNode):
    """Decimals; a number is read as what is written."""

    def unpack(self, tree: Any) -> Any:
        if type(tree) in (int, float):
            return decimal.Decimal(repr(tree))
        return super().unpack(tree)


class SpanNode(TextNode):
    """Spans of time: seconds as a number, as other SDKs write them, unless a float cannot hold them exactly."""

    kinds: frozenset[Kind] = frozenset({"float", "str"})

    def pack(self, value: Any) -> Any:
        text = super().pack(value)
        seconds = value.total_seconds()
        try:
            return seconds if datetime.timedelta(seconds=seconds) == value else text
        except OverflowError:
            return text

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, int | float) and not isinstance(tree, bool):
            try:
                return datetime.timedelta(seconds=tree)
            except (OverflowError, ValueError) as error:
                raise self.mismatch(tree, f"it is no number of seconds: {error}") from error
        return super().unpack(tree)

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "number", "format": "time-delta"}


class AnyNode(Node):
    """Anything: values carry their own type (see `trees`)."""

    kinds: frozenset[Kind] = frozenset(
        {"nil", "bool", "int", "float", "str", "bin", "list", "map", "ext"}
    )
    name = "Any"
    tag = "Any"

    def pack(self, value: Any) -> Any:
        return trees.exact(value)

    def unpack(self, tree: Any) -> Any:
        return trees.plain(tree)

    def fit(self, value: Any) -> Fit:
        return Fit.NEAR

    def schema(self, definitions: Definitions) -> Schema:
        return {"title": "Any"}


def no_path(hint: Any) -> Mismatch:
    """The error for a hint of a path."""
    return Mismatch(_ANY_TYPE, hints.show(hint), trees.PATH_FIX)


def build(hint: Any, build: Build) -> Node | None:
    """The node of a hint for a single value; None for others.

    Raises:
        Mismatch: for paths and complex numbers, which nobody else could read.
    """
    if hint is Any:
        return AnyNode()
    if hint is complex:
        raise Mismatch(_ANY_TYPE, "complex", "declare tuple[float, float], or numpy.complex128")
    if isinstance(hint, type) and issubclass(hint, pathlib.PurePath):
        raise no_path(hint)
    return _BY_TYPE[hint]() if hint in _BY_TYPE else None


_ANY_TYPE = "a type whose values can travel"


def _date_of(text: str) -> datetime.date:
    # Writers in other languages may send a whole moment for a day.
    return datetime.date.fromisoformat(text.removesuffix("T00:00:00").removesuffix("T00:00:00Z"))


_BY_TYPE: dict[Any, Callable[[], Node]] = {
    types.NoneType: lambda: PlainNode(types.NoneType, "nil", tag="none", schema={"type": "null"}),
    bool: lambda: PlainNode(bool, "bool", tag="bool", schema={"type": "boolean"}),
    int: lambda: IntNode(int, "int", tag="int", schema={"type": "integer"}),
    float: lambda: FloatNode(float, "float", tag="float", schema={"type": "number"}),
    str: lambda: PlainNode(str, "str", tag="str", schema={"type": "string"}),
    bytes: lambda: PlainNode(
        bytes, "bin", tag="bytes", schema={"type": "string", "format": "binary"}
    ),
    datetime.datetime: lambda: TextNode(
        datetime.datetime, times.text, times.datetime_of, format="date-time"
    ),
    datetime.date: lambda: DateNode(datetime.date, times.text, _date_of, format="date"),
    datetime.time: lambda: TextNode(datetime.time, times.text, times.time_of, format="time"),
    datetime.timedelta: lambda: SpanNode(
        datetime.timedelta, times.span_text, times.span_of, format="time-delta"
    ),
    decimal.Decimal: lambda: DecimalNode(decimal.Decimal, str, decimal.Decimal, format="decimal"),
    uuid.UUID: lambda: TextNode(uuid.UUID, str, uuid.UUID, format="uuid"),
}
